"""`expose`, `MappingDir`, `CollectionDir`, `DynamicDir`: what a program's objects become directories by."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from fusetree.nodes.base import Node, node_class
from fusetree.nodes.leaves import leaf_codec
from fusetree.nodes.live import LiveDir
from fusetree.nodes.manner import Manner, directory_mode
from fusetree.nodes.stamps import check_seconds
from fusetree.nodes.views import FunctionView, MappingView, NamedView, SequenceView, View, view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from fusetree.nodes.directory import Dir

__all__ = ["CollectionDir", "DynamicDir", "MappingDir", "expose"]


def expose(
    obj: Any,
    writable: bool = False,
    *,
    depth: int = 16,
    ttl: float = 0.0,
    mode: int | None = None,
    uid: int | None = None,
    gid: int | None = None,
    ino: int = 0,
) -> Dir:
    """An object of the running program as a directory: whoever reads it sees the state of that moment.

    Mappings show their items, lists and tuples theirs by position; dataclasses, attrs classes, pydantic
    models and named tuples their fields and properties; other objects, and modules, their public attributes
    and properties. What is one line (numbers, text, dates, enums, paths, what has a registered codec) is a
    file that reads as an `entry` of its type; what has parts is a directory; a set is a JSON document; all
    else is a file with its `repr`. Names that begin with an underscore, functions and classes are left out
    of objects and modules. An object that contains itself, at whatever distance, is a symbolic link there.

    Keys that cannot be names are spelt as in web addresses: ``a/b`` is ``a%2Fb``.

    Arguments:
        obj: The object. It is not copied.
        writable: Whether writing sets values: by the annotation of a field, else by the type of the value
            that is there. What the object does not take (a validator, a setter of a property) is EINVAL,
            what cannot be assigned EROFS. In mutable mappings and lists names can be made and removed; a new
            file is "", a new directory a dict.
        depth: How many levels of directories are shown; what is below reads as its `repr`.
        ttl: For how long the kernel may keep names and attributes, in seconds.
        mode: Permission bits of the directory itself; 0o755 where names can be made, else 0o555.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.

    Raises:
        TypeError: `obj` is one value and no directory, or a node already.
        ValueError: `depth` is below 1.
    """
    if isinstance(obj, Node):
        raise TypeError(f"{obj!r} is a node already: it needs no expose()")
    view = view_of(obj)
    if view is None or leaf_codec(obj) is not None:
        raise TypeError(f"a {type(obj).__name__} has no parts to be files: put it into a dict")
    if depth < 1:
        raise ValueError(f"depth is a number of levels, at least 1, not {depth}")
    manner = Manner(writable=writable, depth=depth, ttl=check_seconds(ttl))
    mode = directory_mode(view, manner) if mode is None else mode
    return LiveDir(obj, manner, mode=mode, uid=uid, gid=gid, ino=ino)


@node_class
class MappingDir(LiveDir):
    """A live mapping as a directory: what is in it at the moment is what is there.

    Values are files and directories as in a `Dir`: nodes are themselves, text and bytes are read and written
    exactly as they are, functions make their content, mappings are directories of this kind, and all else is
    shown as `expose` does. In a mutable mapping programs can make, write, rename and remove names; what the
    mapping refuses is the error that they get (KeyError: ENOENT, ValueError and TypeError: EINVAL).

    Arguments:
        mapping: The mapping; its keys are text, or are found by their text.
        mode: Permission bits; 0o755 for a mutable mapping, else 0o555.
        writable: Whether programs may change it; as the mapping is mutable unless given.
        new: Makes the value of a file that a program creates.
        new_directory: Makes the value of a directory that a program creates.
        depth: How many levels of directories are shown.
        ttl: For how long the kernel may keep names and attributes, in seconds.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.

    Raises:
        TypeError: It is no mapping.
    """

    def __init__(
        self,
        mapping: Mapping[Any, Any],
        mode: int | None = None,
        *,
        writable: bool | None = None,
        new: Callable[[], Any] = str,
        new_directory: Callable[[], Any] = dict,
        depth: int = 16,
        ttl: float = 0.0,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        if not isinstance(mapping, Mapping):
            raise TypeError(f"MappingDir shows a mapping, not a {type(mapping).__name__}")
        manner = Manner(
            writable=isinstance(mapping, MutableMapping) if writable is None else writable,
            depth=depth,
            exact=True,
            new=new,
            new_directory=new_directory,
            ttl=check_seconds(ttl),
        )
        mode = directory_mode(MappingView(mapping), manner) if mode is None else mode
        LiveDir.__init__(self, mapping, manner, mode=mode, uid=uid, gid=gid, ino=ino)


@node_class
class CollectionDir(LiveDir):
    """A live list or set, mostly of nodes, as a directory: what is in it at the moment is what is there.

    Arguments:
        collection: The list, set or other collection; it is gone through at each lookup.
        name: Gives the name of an item. Without it the items of a list are called by their position.
        mode: Permission bits.
        ttl: For how long the kernel may keep names and attributes, in seconds.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.

    Raises:
        TypeError: A collection without order, and no `name`.
    """

    def __init__(
        self,
        collection: Collection[Any],
        name: Callable[[Any], str] | None = None,
        mode: int = 0o555,
        *,
        ttl: float = 0.0,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        if name is None and not isinstance(view_of(collection), SequenceView):
            raise TypeError(f"the items of a {type(collection).__name__} have no order: say name=")
        manner = Manner(exact=True, ttl=check_seconds(ttl))
        value = collection if name is None else (collection, name)
        LiveDir.__init__(self, value, manner, mode=mode, uid=uid, gid=gid, ino=ino)
        self._named_ = name is not None

    _named_: bool

    def _view_(self) -> View:
        return NamedView(self._object_) if self._named_ else SequenceView(self._object_)


@node_class
class DynamicDir(LiveDir):
    """A directory of names that are made on demand: there may be a million, and none is built before it is
    asked for.

    Arguments:
        lookup: Called with a name, it returns a node or what becomes one (as in `MappingDir`); None, or
            KeyError, when there is none. A node that it makes anew at each call is another file each time.
        names: Called without arguments, it gives the names for a listing, as a list or a generator, which is
            taken from as a reader goes on. Without it the directory lists nothing, and its names can be used.
        mode: Permission bits.
        depth: How many levels of directories are shown.
        ttl: For how long the kernel may keep names and attributes, in seconds.
        uid: The owner; None is the user that runs the server.
        gid: The owner's group; None is the group that runs the server.
        ino: The inode number that programs see; 0 gives one out.
    """

    def __init__(
        self,
        lookup: Callable[[str], Any],
        names: Callable[[], Iterable[str]] | None = None,
        mode: int = 0o555,
        *,
        depth: int = 16,
        ttl: float = 0.0,
        uid: int | None = None,
        gid: int | None = None,
        ino: int = 0,
    ) -> None:
        functions: list[Any] = [lookup] if names is None else [lookup, names]
        if not all(map(callable, functions)):
            raise TypeError(
                "lookup and names of a DynamicDir are functions, the one called with a name, the other "
                f"without arguments, not {lookup!r} and {names!r}"
            )
        manner = Manner(exact=True, depth=depth, ttl=check_seconds(ttl))
        LiveDir.__init__(self, (lookup, names), manner, mode=mode, uid=uid, gid=gid, ino=ino)

    def _view_(self) -> View:
        return FunctionView(self._object_)
