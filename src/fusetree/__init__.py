r"""File systems in user space (FUSE) from declared Python objects, and a fast binding of libfuse3.

Declare a tree and mount it::

    from fusetree import Dir, mount

    with mount(Dir({"README": "hello\n"}), "/run/app") as m:
        m.wait()

The rooms of the house; imports go down only, and rooms on one row do not know each other::

    7  cli, __main__            the command
    6  testing, compat          a client that needs no kernel; drop-ins for llfuse and pyfuse3
    5  mounting                 mount, run, unmount on every way out
    4  adapter                  where nodes meet the kernel: inodes, handles, caching
    3  routing                  trees that are declared by paths, of the nodes below
       lowlevel, nodes          the public face of the core; what a tree is declared of
    2  server                   operations, sessions and threads
    1  _lowlevel                Cython: libfuse3 and nothing else
    0  flags, types, errors     names without behaviour
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fusetree.errors import (
    AlreadyRepliedError,
    FUSEError,
    FusetreeError,
    MountError,
    SessionClosedError,
    StaleMountError,
    UnsupportedFeatureError,
)
from fusetree.nodes import (
    Attributes,
    Device,
    Dir,
    Fifo,
    File,
    FileNode,
    FileSystemSize,
    Socket,
    Symlink,
    action,
    computed,
    entry,
    node,
    register_codec,
)

if TYPE_CHECKING:
    from fusetree import lowlevel
    from fusetree.lowlevel import context
    from fusetree.mounting import Mount, mount, run
    from fusetree.nodes import (
        CollectionDir,
        DynamicDir,
        EditableDir,
        FactoryDir,
        HostDir,
        HostFile,
        MappingDir,
        MemoryDir,
        MemoryFile,
        RelationDir,
        Stream,
        WrapDir,
        WrapFile,
        WrapHandle,
        WrapSpecial,
        WrapSymlink,
        diff,
        expose,
        tree,
    )
    from fusetree.routing import Match, PathOperations, Router

    __version__: str

__all__ = [
    # nodes
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
    # trees by paths
    "Match",
    "PathOperations",
    "Router",
    # looking at trees
    "diff",
    "tree",
    # mounting
    "Mount",
    "mount",
    "run",
    # inside a request
    "context",
    # the core
    "lowlevel",
    # errors
    "AlreadyRepliedError",
    "FUSEError",
    "FusetreeError",
    "MountError",
    "SessionClosedError",
    "StaleMountError",
    "UnsupportedFeatureError",
]

# Imported when first asked for: what needs libfuse, so that nodes can be declared, tested and printed on
# a machine that has none; and what many programs do not use, so that `import fusetree` is quick. None stands
# for the module itself.
_LAZY: Final[dict[str, tuple[str, str | None]]] = {
    "CollectionDir": ("fusetree.nodes", "CollectionDir"),
    "DynamicDir": ("fusetree.nodes", "DynamicDir"),
    "EditableDir": ("fusetree.nodes", "EditableDir"),
    "FactoryDir": ("fusetree.nodes", "FactoryDir"),
    "HostDir": ("fusetree.nodes", "HostDir"),
    "HostFile": ("fusetree.nodes", "HostFile"),
    "MappingDir": ("fusetree.nodes", "MappingDir"),
    "MemoryDir": ("fusetree.nodes", "MemoryDir"),
    "MemoryFile": ("fusetree.nodes", "MemoryFile"),
    "RelationDir": ("fusetree.nodes", "RelationDir"),
    "Stream": ("fusetree.nodes", "Stream"),
    "WrapDir": ("fusetree.nodes", "WrapDir"),
    "WrapFile": ("fusetree.nodes", "WrapFile"),
    "WrapHandle": ("fusetree.nodes", "WrapHandle"),
    "WrapSpecial": ("fusetree.nodes", "WrapSpecial"),
    "WrapSymlink": ("fusetree.nodes", "WrapSymlink"),
    "diff": ("fusetree.nodes", "diff"),
    "expose": ("fusetree.nodes", "expose"),
    "tree": ("fusetree.nodes", "tree"),
    "Match": ("fusetree.routing", "Match"),
    "PathOperations": ("fusetree.routing", "PathOperations"),
    "Router": ("fusetree.routing", "Router"),
    "Mount": ("fusetree.mounting", "Mount"),
    "mount": ("fusetree.mounting", "mount"),
    "run": ("fusetree.mounting", "run"),
    "context": ("fusetree.lowlevel", "context"),
    "lowlevel": ("fusetree.lowlevel", None),
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        module, attribute = _LAZY[name]
        found: Any = importlib.import_module(module)
        if attribute is not None:
            found = getattr(found, attribute)
        globals()[name] = found
        return found
    if name == "__version__":
        from importlib.metadata import version

        return version("fusetree")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, "__version__"})
