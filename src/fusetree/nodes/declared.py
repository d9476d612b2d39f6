"""What a class declares: which of its fields are files, which are children, and what a new value does.

There is one `Declared` per class, made by @node and shared by all its instances. It is complete before the
first instance
is: annotations that name what is defined later in the module are resolved then.
"""

from __future__ import annotations

import contextlib
import sys
import types
import typing
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from fusetree.nodes.auto import as_node
from fusetree.nodes.base import Node
from fusetree.nodes.codecs import Codec, codec_for, see_through
from fusetree.nodes.computed import MARK, Marked
from fusetree.nodes.entries import EntryFile
from fusetree.nodes.fields import ENTRY, EntryOptions
from fusetree.nodes.hints import hints_of, resolve_annotation
from fusetree.nodes.links import add_link
from fusetree.nodes.locks import LINKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fusetree.nodes.directory import Dir

__all__ = ["NOTHING_DECLARED", "Declared", "DeclaredFile", "Field", "Method", "attributes_of"]


class DeclaredFile(Protocol):
    """One name that every instance of a class has."""

    #: The name.
    file: str

    def make(self, owner: Dir) -> Node | None:
        """The node of it for a new object; None when there is none (an optional child)."""

    def replace(self, owner: Dir, value: Any) -> None:
        """Take what was assigned by item, or say why not."""


class Field:
    """One attrs field of a @node class.

    Arguments:
        attribute: What attrs knows of it.
        owner: The class that defined it, for messages and its module's names.
        localns: The names of the function that the class was defined in; dropped when they are not needed
            more.
    """

    def __init__(self, attribute: attrs.Attribute[Any], owner: type, localns: Mapping[str, Any]) -> None:
        self.name = attribute.name
        self.attribute = attribute
        #: Converters and validators, to be run before a value is stored.
        self.hook = _hook(attribute)
        options = attribute.metadata.get(ENTRY)
        #: Whether `entry()` made it, so that it is a file or a child whatever its type.
        self.is_entry = options is not None
        self.options: EntryOptions = options or EntryOptions()
        self.file: str = self.options.name or self.name
        #: Whether it is a child; known when `resolved`.
        self.is_child = False
        self.resolved = False
        self._annotation: Any = attribute.type
        self._node_classes: tuple[type[Node], ...] = ()
        self._owner = owner
        self._localns: Mapping[str, Any] | None = localns
        self._codec: Codec | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is the file of a value."""
        return self.is_entry and not self.is_child

    def resolve(self, *, last: bool) -> None:
        """Find out what the annotation means.

        Arguments:
            last: Whether an unknown name is an error now: the class is being used.
        """
        if self.resolved:
            return
        module = sys.modules.get(self._owner.__module__)
        try:
            names = dict(vars(module)) if module else {}
            self._annotation = resolve_annotation(self._annotation, names, self._localns)
        except Exception as error:
            if isinstance(error, NameError) and not last:
                return
            if self.is_entry:
                raise TypeError(
                    f"{self._owner.__name__}.{self.name}: its annotation {self._annotation!r} does not "
                    f"resolve ({error}), so nobody knows how it reads; use a type that is known at run time"
                ) from error
            # An ordinary attribute may be annotated for type checkers only.
        else:
            self._find_node_classes()
        self.resolved = True
        self._localns = None

    def _find_node_classes(self) -> None:
        kinds = tuple(kind for kind in _members(self._annotation) if kind is not types.NoneType)
        # An ordinary private attribute may well refer to some node without being its parent.
        visible = self.is_entry or not self.name.startswith("_")
        if visible and kinds and all(isinstance(kind, type) and issubclass(kind, Node) for kind in kinds):
            if self.options.on_change is not None:
                raise TypeError(
                    f"{self._owner.__name__}.{self.name} is a child: programs do not write it as a whole"
                )
            self.is_child = True
            self._node_classes = kinds

    @property
    def codec(self) -> Codec:
        """How the value reads; chosen when it is needed first."""
        codec = self._codec
        if codec is None:
            codec = self._codec = codec_for(self._annotation)
        return codec

    def make(self, owner: Dir) -> Node | None:
        if self.is_child:
            child: Node | None = getattr(owner, self.name, None)
            return child
        return EntryFile(owner, self)

    def replace(self, owner: Dir, value: Any) -> None:
        if not self.is_child:
            raise ValueError(
                f"{self.file!r} is an entry of {type(owner).__name__}: assign its value to the attribute "
                f"{self.name!r}"
            )
        setattr(owner, self.name, value)

    def child(self, value: Any) -> Node | None:
        """The node that an assigned value is or becomes; TypeError when it is not of the annotated class."""
        if value is None:
            if types.NoneType in _members(self._annotation):
                return None
            raise TypeError(f"{self._owner.__name__}.{self.name} is a child and cannot be None")
        node = as_node(value)
        if not isinstance(node, self._node_classes):
            wanted = " or ".join(kind.__name__ for kind in self._node_classes)
            raise TypeError(f"{self._owner.__name__}.{self.name} is a {wanted}, not a {type(node).__name__}")
        return node


def _hook(attribute: attrs.Attribute[Any]) -> Callable[[Any, Any, Any], Any] | None:
    """What runs before a value is stored: the attribute's own hooks, else its converter and its validator."""
    own: Any = attribute.on_setattr
    if own is not None:
        return None if own is attrs.setters.NO_OP else own
    if attribute.converter is not None and attribute.validator is not None:
        return attrs.setters.pipe(attrs.setters.convert, attrs.setters.validate)
    if attribute.converter is not None:
        return attrs.setters.convert
    return attrs.setters.validate if attribute.validator is not None else None


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone."""
    annotation = see_through(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


class Method:
    """One method that `computed` or `action` made a file.

    Arguments:
        name: The method's.
        options: What the decorator was told.
        function: The method as the class has it (an override may be undecorated).
        localns: The names of the function that the class was defined in.
    """

    def __init__(
        self, name: str, options: Marked, function: Callable[..., Any], localns: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.file: str = options.name or name
        self._options = options
        self._hints: Mapping[str, Any] | None = None
        with contextlib.suppress(NameError):  # then it is looked up when the file is first used
            self._hints = hints_of(function, localns)

    def make(self, owner: Dir) -> Node | None:
        node = self._options.make(getattr(owner, self.name), self._hints)
        node._uid_, node._gid_ = owner.uid, owner.gid
        return node

    def replace(self, owner: Dir, value: Any) -> None:
        raise ValueError(f"{self.file!r} is the {self._options.kind} {self.name!r} of {type(owner).__name__}")


class Declared:
    """All that one class declares.

    Arguments:
        cls: The class, built by attrs already; None for a class that declares nothing.
        ignored: The names of the attributes that are the library's own.
        localns: The names of the function that the class was defined in.

    Raises:
        TypeError: Two declarations have one name.
    """

    def __init__(self, cls: type[Dir] | None, ignored: frozenset[str], localns: Mapping[str, Any]) -> None:
        self.cls = cls
        #: By attribute; the class's `__setattr__` looks here.
        self.fields: dict[str, Field] = {}
        #: By file name, in the order of the listing; complete when `resolve` has succeeded.
        self.files: dict[str, DeclaredFile] = {}
        self._children: list[Field] = []
        self._methods: list[Method] = []
        self._resolved = cls is None
        if cls is None:
            return
        self._collect_fields(cls, ignored, localns)
        self._collect_methods(cls, localns)
        self._resolve(last=False)

    def _collect_fields(self, cls: type[Dir], ignored: frozenset[str], localns: Mapping[str, Any]) -> None:
        for attribute in attributes_of(cls):
            if attribute.name in ignored:
                continue
            inherited = None
            if is_inherited(attribute):
                inherited = next(
                    (
                        field
                        for base in cls.__mro__[1:]
                        if (declared := base.__dict__.get("_declared_")) is not None
                        and (field := declared.fields.get(attribute.name)) is not None
                    ),
                    None,
                )
            field = inherited or Field(attribute, _definer(cls, attribute), localns)
            self.fields[attribute.name] = field
            hook = field.options.on_change
            if isinstance(hook, str) and not callable(getattr(cls, hook, None)):
                raise TypeError(f"{cls.__name__}.{field.name}: on_change={hook!r} names no method of it")

    def _collect_methods(self, cls: type[Dir], localns: Mapping[str, Any]) -> None:
        marked: dict[str, Marked] = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                options = getattr(value, MARK, None)
                if isinstance(options, Marked):
                    marked[name] = options
        for name, options in marked.items():
            function = getattr(cls, name)
            if callable(function):  # a subclass takes one away with `name = None`
                self._methods.append(Method(name, options, function, localns))

    def resolve(self) -> None:
        """Complete what could not be known when the class was made. Every constructor calls it.

        Raises:
            TypeError: The annotation of an entry names what does not exist.
        """
        if not self._resolved:
            self._resolve(last=True)

    def _resolve(self, *, last: bool) -> None:
        # Two threads may do this at once: both come to the same result, and store it whole.
        for field in self.fields.values():
            field.resolve(last=last)
        if not all(field.resolved for field in self.fields.values()):
            return
        children = [field for field in self.fields.values() if field.is_child]
        files: dict[str, DeclaredFile] = {}
        declarations = [field for field in self.fields.values() if field.is_child or field.is_file]
        named: list[DeclaredFile] = [*declarations, *self._methods]
        for declaration in named:
            if declaration.file in files:
                name = self.cls.__name__ if self.cls else ""
                raise TypeError(f"{name} declares the file name {declaration.file!r} twice")
            files[declaration.file] = declaration
        self.files, self._children, self._resolved = files, children, True

    def take_children(self, owner: Dir) -> Iterable[Node]:
        """The declared children of a new object, made nodes where they are none yet."""
        for field in self._children:
            child = field.child(getattr(owner, field.name, None))
            object.__setattr__(owner, field.name, child)
            if child is not None:
                yield child

    def make_files(self, owner: Dir) -> dict[str, Node]:
        """The nodes of all that is declared, for an object that is touched first."""
        made = ((name, declaration.make(owner)) for name, declaration in self.files.items())
        files = {name: node for name, node in made if node is not None}
        with LINKS:
            for node in files.values():
                if node._parents_ is None:  # children know their place already
                    add_link(node, owner, is_directory=False)
        return files

    def check_class(self, cls: type[Dir]) -> None:
        """Refuse a class that has entries, computed files or actions of its own and no @node."""
        if cls is self.cls or _CHECKED in cls.__dict__:
            return
        for name, value in vars(cls).items():
            is_entry = ENTRY in (getattr(value, "metadata", None) or ()) and not isinstance(value, Node)
            if is_entry or (isinstance(getattr(value, MARK, None), Marked) and not self._knows_method(name)):
                raise TypeError(f"{cls.__name__}.{name} is to be a file: decorate {cls.__name__} with @node")
        setattr(cls, _CHECKED, True)

    def _knows_method(self, name: str) -> bool:
        return any(method.name == name for method in self._methods)


#: In the `__dict__` of a class that `check_class` has found in order.
_CHECKED: Final = "_checked_"


def attributes_of(cls: type) -> tuple[attrs.Attribute[Any], ...]:
    """The attrs attributes of a class, inherited ones first."""
    found: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    return found


def is_inherited(attribute: attrs.Attribute[Any]) -> bool:
    """Whether a base class has it from itself."""
    inherited: bool = attribute.inherited  # type: ignore[attr-defined]  # the stubs of attrs lack it
    return inherited


def _definer(cls: type, attribute: attrs.Attribute[Any]) -> type:
    """The class that an attribute was written in, for the names of its module."""
    if is_inherited(attribute):
        for base in cls.__mro__[1:]:
            own = base.__dict__.get("__attrs_attrs__")
            if own is not None and any(a.name == attribute.name and not is_inherited(a) for a in own):
                return base
    return cls


#: For directories of no class of the program's own.
NOTHING_DECLARED: Final = Declared(None, frozenset(), {})
