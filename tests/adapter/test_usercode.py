"""What the exceptions of the program's code mean to a writer."""

from __future__ import annotations

import errno
import logging
from typing import Any, cast

import attrs
import pytest

from fusetree.adapter.usercode import call, inside_handler, store
from fusetree.nodes import Dir, FileNode, action, entry, node
from tests.support import raises_errno


class Refusing(FileNode):
    """A file that raises what it was made with."""

    raised: BaseException
    seen: bool

    def store(self, data: bytes, append: bool = False) -> None:
        self.seen = inside_handler()
        raise self.raised


def refusing(raised: BaseException) -> Refusing:
    node = Refusing()
    node.raised = raised
    return node


def structure_error() -> Exception:
    """What cattrs raises for a document of the wrong shape."""
    import cattrs

    @attrs.define
    class Point:
        x: int

    try:
        cattrs.structure({"x": "one"}, Point)
    except Exception as error:  # noqa: BLE001 - the very thing that is wanted
        return error
    raise AssertionError("that is no point")


def forbidden() -> Exception:
    from cattrs.errors import ForbiddenExtraKeysError

    return ForbiddenExtraKeysError("extra", int, {"y"})


@pytest.mark.parametrize(
    "make",
    [
        lambda: ValueError("bad"),
        lambda: TypeError("bad"),
        lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        structure_error,
        forbidden,
    ],
)
def test_a_bad_value_is_the_writers_mistake(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    error = make()
    node = refusing(error)
    with caplog.at_level(logging.INFO, logger="fusetree.adapter"), raises_errno(errno.EINVAL):
        store(node, b"", False)
    assert node.seen
    assert not inside_handler()
    assert "refused what was written" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.INFO]


def test_the_reason_names_the_part_of_a_document(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="fusetree.adapter"), raises_errno(errno.EINVAL):
        store(refusing(structure_error()), b"", False)
    assert "invalid literal for int() with base 10: 'one'" in caplog.text


def test_the_reason_of_a_validator_is_its_text_alone(caplog: pytest.LogCaptureFixture) -> None:
    @node
    class Checked(Dir):
        level: str = entry("low", validator=attrs.validators.in_(["low", "high"]))

    with caplog.at_level(logging.INFO, logger="fusetree.adapter"), raises_errno(errno.EINVAL):
        store(cast(FileNode, Checked()["level"]), b"middle\n", False)
    (record,) = caplog.records
    assert record.getMessage() == (
        "<file 'level' of a Checked> refused what was written: "
        "ValueError: 'level' must be in ['low', 'high'] (got 'middle')"
    )


def test_a_type_error_of_an_action_is_a_bug() -> None:
    @node
    class Adding(Dir):
        @action
        def add(self, number: int) -> None:
            number + None  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        store(cast(FileNode, Adding()["add"]), b"1\n", False)


@pytest.mark.parametrize("error", [PermissionError(errno.EPERM, "no"), FileNotFoundError()])
def test_an_oserror_is_the_answer(error: OSError) -> None:
    with pytest.raises(OSError) as caught:
        store(refusing(error), b"", False)
    assert caught.value is error


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyError("bug"), ZeroDivisionError()])
def test_all_else_is_a_bug(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        store(refusing(error), b"", False)
    assert caught.value is error
    assert not inside_handler()


def test_calls_are_marked_and_the_mark_ends() -> None:
    assert call(inside_handler)
    assert not inside_handler()
    with pytest.raises(ZeroDivisionError):
        call(lambda: 1 // 0)
    assert not inside_handler()
    assert call(call, inside_handler)
