"""What a class can do is looked up once, and what no mount could call is refused when the class is made."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from fusetree import Dir, MemoryDir, node
from fusetree.adapter.kinds import Kind, Kinds
from fusetree.nodes import capabilities
from fusetree.nodes.capabilities import CAPABILITIES
from fusetree.nodes.host.opened import HostReader, HostWriter


def _protocols() -> dict[str, Any]:
    """The method of each protocol, by name."""
    found = {}
    for name in capabilities.__all__:
        protocol = getattr(capabilities, name)
        if name.startswith("Can"):
            (method,) = [value for key, value in vars(protocol).items() if inspect.isfunction(value) and
                         key in CAPABILITIES]  # fmt: skip
            found[method.__name__] = method
    return found


def test_each_capability_has_a_protocol_that_states_its_default() -> None:
    protocols = _protocols()
    assert set(protocols) == CAPABILITIES
    for name, method in protocols.items():
        assert re.search(r"Default( of a node)?:", inspect.getdoc(method) or ""), name


def test_kinds_have_a_place_for_each() -> None:
    assert set(inspect.signature(Kind).parameters) == CAPABILITIES


def test_an_asynchronous_generator_is_refused_where_one_answer_is_returned() -> None:
    class Names(Dir):
        async def list(self) -> Any:
            yield "x"

    with pytest.raises(TypeError, match=r"Slow\.read is an asynchronous generator"):

        @node
        class Slow(Dir):
            async def read(self, size: int, offset: int) -> Any:
                yield b"x"


def test_what_another_class_defines_is_inherited() -> None:
    class One(Dir):
        def unlink(self, name: str) -> None:
            """Allows it."""

    class Two(One):
        def mkdir(self, name: str, mode: int) -> Dir:
            return Dir()

    kinds = Kinds()
    assert kinds[Two].unlink is One.unlink
    assert kinds[Two].takes_names
    assert not kinds[One].takes_names
    assert kinds[Dir].unlink is None
    assert kinds[Two] is kinds[Two]


def test_what_stands_for_other_methods_is_not_inherited_past_them() -> None:
    """A handle that writes by itself must be asked, and what is made in a directory goes by its rules."""

    class Rules(MemoryDir):
        def create(self, name: str, mode: int) -> Any:
            raise PermissionError

    class Both(Rules):
        def tmpfile(self, mode: int, flags: int) -> Any:
            raise PermissionError

    class Flat(MemoryDir):
        def mkdir(self, name: str, mode: int) -> Any:
            raise PermissionError

    class Loud(HostWriter):
        def write(self, data: Any, offset: int) -> int:
            return len(data)

    class Counting(HostWriter):
        def flush(self) -> None:
            """Counts."""

    kinds = Kinds()
    has = [kinds[cls].tmpfile is not None for cls in (MemoryDir, Flat, Rules, Both)]
    assert has == [True, True, False, True]
    passed = [kinds[cls].backing is not None for cls in (HostReader, HostWriter, Counting, Loud)]
    assert passed == [True, True, True, False]
