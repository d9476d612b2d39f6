"""How an object is a directory: what names it has, what they lead to, and what may be done to them.

A view is made for one request and kept by nobody; it holds no state of its own. What its methods raise is
what the object raises; `fusetree.nodes.live` makes errnos of it.

    MappingView     the items of a mapping
    SequenceView    the items of a list or tuple, by their position
    FieldsView      what a class declares: dataclass, attrs, pydantic, named tuple
    ObjectView      the public attributes and properties of any other object, and of a module
    FunctionView    whatever two functions say
    NamedView       the items of a collection, under names of their own
"""

from __future__ import annotations

import errno
import functools
import inspect
import os
import sys
import types
import typing
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import TYPE_CHECKING, Any, Final

from fusetree.nodes.names import check_name
from fusetree.nodes.spelling import spell, unspell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "FieldsView",
    "FunctionView",
    "MappingView",
    "NamedView",
    "ObjectView",
    "SequenceView",
    "View",
    "is_code",
    "view_of",
]

_TRIES: Final = 1000  # how often a listing is begun anew because the object changed meanwhile


class View:
    """One object as a directory. Names are file names: spelt so that a directory can hold them."""

    __slots__ = ("value",)

    #: Whether names can be made and removed through it.
    grows = False
    #: Whether a directory of it must be empty to be removed.
    keeps = False

    def __init__(self, value: Any) -> None:
        self.value = value

    def names(self) -> Iterable[str]:
        """All names; each can be a name in a directory."""
        raise NotImplementedError

    def get(self, name: str) -> Any:
        """What a name leads to; KeyError (IndexError, AttributeError) when there is none."""
        raise NotImplementedError

    def annotation(self, name: str) -> Any:
        """What is declared of the values of a name; None when nothing is."""
        return None

    def doc(self, name: str) -> str | None:
        """What is said of a name."""
        return None

    def settable(self, name: str) -> bool:
        """Whether it makes sense to set the value of a name."""
        return False

    def set(self, name: str, value: Any) -> None:
        """Set the value of a name that exists."""
        raise PermissionError

    def insert(self, name: str, value: Any) -> None:
        """Set the value of a name that does not exist."""
        raise PermissionError

    def remove(self, name: str) -> None:
        """Remove a name."""
        raise PermissionError


def _settled(take: Callable[[], list[Any]]) -> list[Any]:
    """What `take` lists; it is tried again while other threads change what it goes through."""
    for _ in range(_TRIES):
        try:
            return take()
        except RuntimeError:  # changed size during iteration
            continue
    return take()


class MappingView(View):
    """The items of a mapping. Keys that are no text are found by their text."""

    __slots__ = ()
    keeps = True

    @property
    def grows(self) -> bool:  # type: ignore[override]  # each value has its own
        return isinstance(self.value, MutableMapping)

    def names(self) -> list[str]:
        mapping = self.value
        spelt = (spell(key if isinstance(key, str) else str(key)) for key in _settled(lambda: list(mapping)))
        return list(dict.fromkeys(name for name in spelt if name is not None))

    def key(self, name: str) -> Any:
        """The key of a name that exists; KeyError when there is none."""
        mapping = self.value
        text = unspell(name)
        if text in mapping:
            return text
        found = _settled(lambda: [key for key in mapping if not isinstance(key, str) and str(key) == text])
        if not found:
            raise KeyError(text)
        return found[0]

    def get(self, name: str) -> Any:
        # The key is asked for first: some mappings make what they are asked for.
        return self.value[self.key(name)]

    def settable(self, name: str) -> bool:
        return self.grows

    def set(self, name: str, value: Any) -> None:
        self.value[self.key(name)] = value

    def insert(self, name: str, value: Any) -> None:
        text = unspell(name)
        first = next(iter(self.value), None)
        # Where keys are numbers, a new one is a number too.
        self.value[int(text) if type(first) is int else text] = value

    def remove(self, name: str) -> None:
        del self.value[self.key(name)]


class SequenceView(View):
    """The items of a sequence; their names are their positions. It grows and shrinks at its end."""

    __slots__ = ()
    keeps = True

    @property
    def grows(self) -> bool:  # type: ignore[override]  # each value has its own
        return isinstance(self.value, MutableSequence)

    def names(self) -> list[str]:
        return [str(position) for position in range(len(self.value))]

    def _position(self, name: str) -> int:
        if name.isascii() and name.isdigit() and str(int(name)) == name and int(name) < len(self.value):
            return int(name)
        raise KeyError(name)

    def get(self, name: str) -> Any:
        return self.value[self._position(name)]

    def settable(self, name: str) -> bool:
        return self.grows

    def set(self, name: str, value: Any) -> None:
        self.value[self._position(name)] = value

    def insert(self, name: str, value: Any) -> None:
        if name != str(len(self.value)):
            raise ValueError(f"the next item is {len(self.value)}, not {name}")
        self.value.append(value)

    def remove(self, name: str) -> None:
        if self._position(name) != len(self.value) - 1:
            raise ValueError("only the last item of a sequence can be removed: the others would move")
        del self.value[-1]


class ObjectView(View):
    """The public attributes and properties of an object or a module. Functions and classes are left out."""

    __slots__ = ()

    @property
    def kind(self) -> Any:
        """The object's class."""
        return type(self.value)

    def names(self) -> list[str]:
        names: dict[str, None] = dict.fromkeys(filter(self._has, _declared_names(self.kind)))
        own = getattr(self.value, "__dict__", None)
        if own is not None:
            names.update(dict.fromkeys(_settled(lambda: [k for k, v in own.items() if not is_code(v)])))
        return [name for name in names if is_public(name)]

    def get(self, name: str) -> Any:
        if not is_public(name):
            raise KeyError(name)
        own = getattr(self.value, "__dict__", {})
        if name not in own and name not in _declared_names(self.kind):
            raise KeyError(name)
        value = self._value(name)
        if is_code(value):
            raise KeyError(name)
        return value

    def _value(self, name: str) -> Any:
        """The value of an attribute. A property is there whatever it raises: it has no value then
        (AttributeError: ENODATA), or fails.
        """
        try:
            return getattr(self.value, name)
        except (AttributeError, LookupError) as error:
            if not _is_property(self.kind, name):
                raise
            if isinstance(error, AttributeError):
                raise OSError(errno.ENODATA, os.strerror(errno.ENODATA)) from error
            raise RuntimeError(f"the property {name!r} of {self.kind.__name__} failed: {error!r}") from error

    def _has(self, name: str) -> bool:
        """Whether an attribute that the class declares has a value by now; properties are not asked."""
        return _is_property(self.kind, name) or hasattr(self.value, name)

    def annotation(self, name: str) -> Any:
        if isinstance(self.value, types.ModuleType):
            return None
        kind = self.kind
        descriptor = getattr(kind, name, None)
        if isinstance(descriptor, property):
            return _hints(descriptor.fget).get("return")
        if isinstance(descriptor, functools.cached_property):
            return _hints(descriptor.func).get("return")
        return _hints(kind).get(name)

    def doc(self, name: str) -> str | None:
        descriptor = getattr(type(self.value), name, None)
        if isinstance(descriptor, (property, functools.cached_property)):
            return descriptor.__doc__
        return None

    def settable(self, name: str) -> bool:
        descriptor = getattr(type(self.value), name, None)
        if isinstance(descriptor, property):
            return descriptor.fset is not None
        return not isinstance(descriptor, (functools.cached_property, types.GetSetDescriptorType))

    def set(self, name: str, value: Any) -> None:
        setattr(self.value, name, value)


class FieldsView(ObjectView):
    """The fields that a class declares, then its properties; other attributes are left out."""

    __slots__ = ()

    def names(self) -> list[str]:
        kind = self.kind
        names = dict.fromkeys((*filter(self._has, _field_names(kind) or ()), *_properties(kind)))
        return [name for name in names if is_public(name)]

    def get(self, name: str) -> Any:
        kind = self.kind
        if is_public(name) and (name in (_field_names(kind) or ()) or name in _properties(kind)):
            return self._value(name)
        raise KeyError(name)

    def settable(self, name: str) -> bool:
        kind = self.kind
        if name in _properties(kind):
            return super().settable(name)
        return not _is_frozen(kind)

    def set(self, name: str, value: Any) -> None:
        # A model that does not check what is assigned is made to: a file takes no value that the model does
        # not.
        check = getattr(self.kind, "__pydantic_validator__", None)
        if check is not None and name in (_field_names(self.kind) or ()):
            check.validate_assignment(self.value, name, value)
        else:
            setattr(self.value, name, value)


class FunctionView(View):
    """Whatever two functions say: one that finds the value of a name, and one that lists names.

    Arguments:
        value: The two; the second may be None.
    """

    __slots__ = ()

    def names(self) -> Iterable[str]:
        names = self.value[1]
        return () if names is None else (check_name(name) for name in names())

    def get(self, name: str) -> Any:
        try:
            found = self.value[0](name)
        except (AttributeError, IndexError) as error:  # a bug, and no answer
            raise RuntimeError(f"the lookup of {name!r} failed: {error!r}") from error
        if found is None:
            raise KeyError(name)
        return found


class NamedView(View):
    """The items of a collection under names of their own.

    Arguments:
        value: The collection, and the function that gives the name of an item.
    """

    __slots__ = ()

    def names(self) -> Iterable[str]:
        collection, name_of = self.value
        return list(dict.fromkeys(check_name(name_of(item)) for item in _settled(lambda: list(collection))))

    def get(self, name: str) -> Any:
        collection, name_of = self.value
        for item in _settled(lambda: list(collection)):
            if name_of(item) == name:
                return item
        raise KeyError(name)


# ------------------------------------------------------------------------------------------- what an object
# is


def view_of(value: Any) -> View | None:
    """How an object is a directory; None when it is none: it has no parts that could be shown."""
    if isinstance(value, Mapping):
        return MappingView(value)
    kind: Any = type(value)
    if _field_names(kind) is not None:
        return FieldsView(value)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return SequenceView(value)
    if isinstance(value, types.ModuleType):
        return ObjectView(value)
    if isinstance(value, (set, frozenset)) or is_code(value):
        return None
    return ObjectView(value) if hasattr(value, "__dict__") or _declared_names(kind) else None


@functools.lru_cache(maxsize=1024)
def _field_names(kind: Any) -> tuple[str, ...] | None:
    """The fields that a class declares; None when it is no class of that sort."""
    # Whoever made a dataclass, or a model, has imported what it takes; so it need not be imported here.
    if hasattr(kind, "__dataclass_fields__"):
        return tuple(field.name for field in sys.modules["dataclasses"].fields(kind))
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is not None:
        return tuple(attribute.name for attribute in attributes)
    if issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        return tuple(kind._fields)
    pydantic = sys.modules.get("pydantic")
    model = getattr(pydantic, "BaseModel", None)
    if model is not None and issubclass(kind, model):
        return (*kind.model_fields, *kind.model_computed_fields)
    return None


def _is_frozen(kind: Any) -> bool:
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is not None:
        return bool(parameters.frozen)
    if issubclass(kind, tuple):
        return True
    config = getattr(kind, "model_config", None)
    if isinstance(config, dict):
        return bool(config.get("frozen"))
    return getattr(kind.__setattr__, "__name__", "") == "_frozen_setattrs"  # as attrs calls it


@functools.lru_cache(maxsize=1024)
def _properties(kind: Any) -> tuple[str, ...]:
    """The properties of a class, in the order of their definition, those of base classes first."""
    found: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] == "pydantic":
            continue  # what every model has
        for name, value in vars(base).items():
            if isinstance(value, (property, functools.cached_property)):
                found[name] = None
            elif name in found:
                del found[name]
    return tuple(found)


@functools.lru_cache(maxsize=1024)
def _declared_names(kind: Any) -> tuple[str, ...]:
    """Properties, slots and whatever else a class keeps values of its objects in."""
    found: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        for name, value in vars(base).items():
            if is_public(name) and (
                inspect.isdatadescriptor(value) or isinstance(value, functools.cached_property)
            ):
                found[name] = None
    return tuple(found)


def _is_property(kind: Any, name: str) -> bool:
    return isinstance(getattr(kind, name, None), (property, functools.cached_property))


@functools.lru_cache(maxsize=1024)
def _hints(thing: Any) -> dict[str, Any]:
    """The annotations of a class or a function, as far as they can be resolved."""
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except Exception:  # noqa: BLE001 - the value's own type will do
        return {}


def is_public(name: str) -> bool:
    """Whether an attribute is for others."""
    return not name.startswith("_")


def is_code(value: Any) -> bool:
    """Whether something is part of the program and not of its state."""
    return isinstance(value, (type, types.ModuleType)) or inspect.isroutine(value)
