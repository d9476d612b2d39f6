"""`@node`: what makes an attrs class with entries a directory of files."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import attrs

from fusetree.nodes.base import Node, dataclass_transform
from fusetree.nodes.capabilities import CAPABILITIES
from fusetree.nodes.children import set_child_field
from fusetree.nodes.computed import MARK, ComputedOptions, Marked, check_called_bare
from fusetree.nodes.declared import Declared, attributes_of
from fusetree.nodes.directory import Dir
from fusetree.nodes.fields import ENTRY
from fusetree.nodes.file import File
from fusetree.nodes.held import hold, state
from fusetree.nodes.locks import FREE_THREADED, gate
from fusetree.nodes.symlink import Symlink

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RESERVED_NAMES", "node"]

_N = TypeVar("_N", bound=Node)

#: The attributes of the library's own classes, which are never files.
_LIBRARY_FIELDS: Final = frozenset(a.name for cls in (Dir, File, Symlink) for a in attributes_of(cls))

#: What the constructor of every directory takes by keyword.
_KEYWORDS: Final = frozenset(a.alias or a.name for a in attributes_of(Dir) if a.init)

#: What a directory class cannot call an entry, a child, a computed file or an action: what every directory
#: has.
RESERVED_NAMES: Final = CAPABILITIES | _KEYWORDS | {name for name in dir(Dir) if not name.startswith("__")}


@overload
def node(cls: type[_N], /) -> type[_N]: ...


@overload
def node(*, kw_only: bool = ...) -> Callable[[type[_N]], type[_N]]: ...


# entry() is left out of the specifiers on purpose: type checkers look for defaults by keyword only, and
# would take entry(0) for an attribute that has none.
@dataclass_transform(eq_default=False, field_specifiers=(attrs.field,))
def node(cls: Any = None, /, *, kw_only: bool = False) -> Any:
    """Make a subclass of `Dir`, `File` or `Symlink` a node class: an attrs class with slots, equal by
    identity.

    In a directory class each `entry` is a file, and so is each method that is decorated with `computed` or
    `action`; each attribute that is annotated with a node class is a child of that name, and assigning it
    replaces the child. All other attributes are ordinary attrs attributes. The constructor takes the
    class's own attributes in their order, and ``mode``, ``uid``, ``gid``, ``ino`` and ``children`` by
    keyword::

        @node
        class Worker(Dir):
            jobs: int = entry(0)
            logs: Dir = attrs.field(factory=Dir)
            _lock: object = attrs.field(factory=threading.Lock)

            @computed
            def uptime(self) -> float: ...

    Arguments:
        kw_only: Whether the constructor takes all attributes by keyword only.

    Raises:
        TypeError: The class is no subclass of a node class; a name is one that every node has, or is
            declared twice; an entry has no annotation.
        ValueError: A file name that no directory can hold.
    """
    # The names of a function that the class is defined in are looked up now: later they are gone.
    localns = dict(sys._getframe(1).f_locals) if cls is not None else {}
    if cls is not None:
        return _build(cls, kw_only, localns)

    def decorate(cls: Any) -> Any:
        return _build(cls, kw_only, dict(sys._getframe(1).f_locals))

    return decorate


def _build(cls: Any, kw_only: bool, localns: dict[str, Any]) -> Any:
    if not (isinstance(cls, type) and issubclass(cls, Node)):
        raise TypeError(f"@node decorates a subclass of Dir, File or Symlink, and {cls!r} is none")
    if issubclass(cls, Dir):
        _check_names(cls)
    try:
        built: Any = attrs.define(
            eq=False,
            auto_attribs=True,
            kw_only=kw_only,
            # Given and not left to attrs, so that the constructor stores directly and not through our
            # __setattr__.
            on_setattr=[attrs.setters.convert, attrs.setters.validate],
            field_transformer=_leave_library_fields,
        )(cls)
    except attrs.exceptions.UnannotatedAttributeError as error:
        raise TypeError(
            f"{cls.__name__}: an annotation says how an entry reads, and is missing ({error})"
        ) from None
    if not issubclass(built, Dir):
        _refuse_files(built)
        return built
    declared = Declared(built, _LIBRARY_FIELDS, {**localns, built.__name__: built})
    built._declared_ = declared
    built.__setattr__ = _setter(declared)
    _set_up_first(built)
    return built


def _check_names(cls: type[Node]) -> None:
    """Refuse attributes that would hide what every directory has."""
    marks = {
        name: value for name, value in vars(cls).items() if isinstance(getattr(value, MARK, None), Marked)
    }
    for name in (*_annotated_names(cls), *marks):
        # The constructor calls `_mode` `mode`, as attrs does.
        if name in RESERVED_NAMES or name.lstrip("_") in _KEYWORDS:
            if name in marks:
                kind = getattr(marks[name], MARK).kind
                advice = f"the method otherwise, and name the file: @{kind}(name={name!r})"
            else:
                other = name.strip("_") + "_"
                advice = f"the attribute otherwise, and name the file: {other}: ... = entry(name={name!r})"
            raise TypeError(f"{cls.__name__}.{name}: every node has {name!r} for itself. Call {advice}")
    for method in marks.values():
        if isinstance(getattr(method, MARK), ComputedOptions) and inspect.isfunction(method):
            check_called_bare(method, cls)


def _annotated_names(cls: type) -> list[str]:
    """The names that are annotated in the class itself, class variables left out."""
    if sys.version_info >= (3, 14):
        import annotationlib

        annotations = annotationlib.get_annotations(cls, format=annotationlib.Format.STRING)
    else:
        annotations = inspect.get_annotations(cls)
    return [name for name, annotation in annotations.items() if "ClassVar" not in str(annotation)]


def _leave_library_fields(cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """What the library's own attributes hold is checked where it is assigned; their hooks are not run
    again.
    """
    untouched = attrs.setters.NO_OP
    return [
        field.evolve(on_setattr=untouched) if field.name in _LIBRARY_FIELDS else field for field in fields
    ]


def _refuse_files(cls: type[Node]) -> None:
    """A node that is no directory holds no files."""
    for attribute in attributes_of(cls):
        if ENTRY in attribute.metadata:
            raise TypeError(f"{cls.__name__}.{attribute.name}: only a subclass of Dir has entries")
    for name, value in vars(cls).items():
        if isinstance(getattr(value, MARK, None), Marked):
            raise TypeError(f"{cls.__name__}.{name}: only a subclass of Dir has computed files and actions")


def _set_up_first(cls: Any) -> None:
    """Let a class's own `__attrs_post_init__` find the directory in order, whether it calls its base's or
    not.
    """
    own = cls.__dict__.get("__attrs_post_init__")
    if own is not None:

        def __attrs_post_init__(self: Dir) -> None:  # noqa: N807 - the name that attrs calls
            self._set_up_()
            own(self)

        cls.__attrs_post_init__ = __attrs_post_init__


def _setter(declared: Declared) -> Callable[[Dir, str, Any], None]:
    """The `__setattr__` of a node class: convert, validate, store, then tell the readers of the entry's file.

    attrs' own hooks run before the store, so they are no place to tell from: a reader that is told too
    early reads the old value again, and then keeps it for ever.
    """
    fields = declared.fields
    store = object.__setattr__

    def __setattr__(self: Dir, name: str, value: Any) -> None:  # noqa: N807 - it becomes that
        field = fields.get(name)
        if field is None:
            store(self, name, value)
            return
        hook = field.hook
        if hook is not None:
            value = hook(self, field.attribute, value)
        # Not while a constructor is still at it.
        if state.active is not None and self._subdirectories_ >= 0:
            hold(self)
            if field.is_file:
                hold(self._tree_()[field.file])
        if field.is_entry and not field.is_child:
            store(self, name, value)
            # Stored first and looked for readers afterwards: see fusetree.nodes.locks about the gate.
            if FREE_THREADED:
                with gate(self):
                    children = self._children_
            else:
                children = self._children_
            if children is not None:
                file = children.get(field.file) or self._unseen_(field.file)
                if file is not None:
                    file.changed()
        elif field.is_child:
            set_child_field(self, name, field.file, field.child(value))
        else:
            store(self, name, value)

    return __setattr__
