"""Nodes: what a tree is declared of. Pure Python, and no libfuse in sight.

====================  ======================================================================
``base``              what every node is; observers; `Change`, `Policy`, `WriteStyle`
``stamps``            the clock that changes are stamped with
``locks``             the locks of the tree, and what each holds true
``capabilities``      what a node can do when a program asks; ``attributes`` what it is asked
``directory``         `Dir`; ``names`` checks names, ``links`` keeps the tree a tree, ``moves`` moves
``file, symlink``     `File`, `Symlink`; ``filerange`` a part of a file of the host
``special``           `Fifo`, `Socket`, `Device`
``editable``          `EditableDir`: where editors work
``stream``            `Stream`; ``history`` what it keeps, and who waits for more
``memory``            `MemoryDir`, `MemoryFile`: a writable tree
``host``              `HostDir`, `HostFile`: a directory of the host; ``callers`` who is asking
``declare``           `node`; ``declared`` is what a class declares, ``hints`` its annotations
``fields``            `entry`; ``entries`` the files of it, ``hooks`` who hears, ``codecs`` how values read
``computed, action``  `computed`, `action`
``auto``              what a plain value becomes in a directory
``exposed``           `expose`, `MappingDir`, ...; ``live`` their nodes, ``views`` how objects are directories
``leaves, spelling``  which values are files, and how keys are spelt; ``refusals`` errors as errnos
``registry``          codecs of the program's own types
``factory``           `FactoryDir`, `RelationDir`
``wrapping``          `WrapDir`, `WrapFile`: a tree shown through another
``transactions``      many changes at once; ``held`` what they hold back
``printed``           `tree`; ``difference`` `diff`; ``docs`` what nodes say of themselves
====================  ======================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.action import ActionFile, action
from fusetree.nodes.attributes import Attributes, FileSystemSize
from fusetree.nodes.auto import BecomesNode, as_node
from fusetree.nodes.base import Node
from fusetree.nodes.codecs import Codec, register_codec
from fusetree.nodes.computed import ComputedFile, computed
from fusetree.nodes.declare import node
from fusetree.nodes.directory import Dir
from fusetree.nodes.docs import doc_of
from fusetree.nodes.entries import EntryFile
from fusetree.nodes.fields import entry
from fusetree.nodes.file import File
from fusetree.nodes.filenode import MAX_VALUE_SIZE, FileNode, Policy, WriteStyle
from fusetree.nodes.filerange import FileRange
from fusetree.nodes.links import path_of
from fusetree.nodes.observers import Change, Observer
from fusetree.nodes.special import Device, Fifo, Socket, SpecialNode
from fusetree.nodes.symlink import Symlink

if TYPE_CHECKING:
    from fusetree.nodes.difference import Difference, diff
    from fusetree.nodes.editable import EditableDir, ScratchFile
    from fusetree.nodes.exposed import CollectionDir, DynamicDir, MappingDir, expose
    from fusetree.nodes.factory import FactoryDir, RelationDir
    from fusetree.nodes.host import HostDir, HostFile
    from fusetree.nodes.memory import MemoryDir, MemoryFile
    from fusetree.nodes.printed import Printed, tree
    from fusetree.nodes.stream import Stream
    from fusetree.nodes.wrapping import WrapDir, WrapFile, WrapHandle, WrapSpecial, WrapSymlink

__all__ = [
    # what trees are declared of
    "Attributes",
    "Device",
    "Dir",
    "EditableDir",
    "Fifo",
    "File",
    "FileNode",
    "FileSystemSize",
    "HostDir",
    "HostFile",
    "MemoryDir",
    "MemoryFile",
    "Socket",
    "Stream",
    "Symlink",
    "action",
    "computed",
    "entry",
    "node",
    # objects that are there anyway
    "Codec",
    "CollectionDir",
    "DynamicDir",
    "FactoryDir",
    "MappingDir",
    "RelationDir",
    "expose",
    "register_codec",
    # a tree through another
    "WrapDir",
    "WrapFile",
    "WrapHandle",
    "WrapSpecial",
    "WrapSymlink",
    # looking at trees
    "Difference",
    "Printed",
    "diff",
    "doc_of",
    "tree",
    # what the adapter needs to know
    "ActionFile",
    "BecomesNode",
    "Change",
    "ComputedFile",
    "EntryFile",
    "FileRange",
    "MAX_VALUE_SIZE",
    "Node",
    "Observer",
    "Policy",
    "ScratchFile",
    "SpecialNode",
    "WriteStyle",
    "as_node",
    "path_of",
]

# What many programs do not use is imported when it is first asked for, so that `import fusetree` is quick.
_LAZY: Final[dict[str, str]] = {
    "Difference": "fusetree.nodes.difference",
    "diff": "fusetree.nodes.difference",
    "EditableDir": "fusetree.nodes.editable",
    "ScratchFile": "fusetree.nodes.editable",
    "CollectionDir": "fusetree.nodes.exposed",
    "DynamicDir": "fusetree.nodes.exposed",
    "MappingDir": "fusetree.nodes.exposed",
    "expose": "fusetree.nodes.exposed",
    "FactoryDir": "fusetree.nodes.factory",
    "RelationDir": "fusetree.nodes.factory",
    "HostDir": "fusetree.nodes.host",
    "HostFile": "fusetree.nodes.host",
    "MemoryDir": "fusetree.nodes.memory",
    "MemoryFile": "fusetree.nodes.memory",
    "Printed": "fusetree.nodes.printed",
    "tree": "fusetree.nodes.printed",
    "Stream": "fusetree.nodes.stream",
    "WrapDir": "fusetree.nodes.wrapping",
    "WrapFile": "fusetree.nodes.wrapping",
    "WrapHandle": "fusetree.nodes.wrapping",
    "WrapSpecial": "fusetree.nodes.wrapping",
    "WrapSymlink": "fusetree.nodes.wrapping",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        found: Any = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
