# ruff: noqa: UP007, UP045, PYI061, PIE796 - the spellings of types are what is tested here
from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
import string
import sys
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union

import attrs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fusetree.nodes.codecs import Verbatim, codec_for
from fusetree.nodes.documents import Document
from fusetree.nodes.lines import Text
from fusetree.nodes.rendered import render


class Color(enum.Enum):
    RED = 1
    CRIMSON = 1
    BLUE = "blue"


class Level(enum.Enum):
    LOW = "low level"
    HIGH = " high\n"


class Swapped(enum.Enum):
    A = "B"
    B = "A"


class Number(enum.IntEnum):
    ONE = 1


class Rights(enum.Flag):
    READ = 1
    WRITE = 2
    ALL = 3


class Port(int):
    def __new__(cls, number: int) -> Port:
        if not 0 < number < 65536:
            raise ValueError(f"{number} is no port")
        return super().__new__(cls, number)


class Name(str):
    __slots__ = ()


class Day(dt.date):
    pass


@attrs.define
class Point:
    x: int
    y: int = attrs.field(default=0, validator=attrs.validators.ge(0))


@dataclasses.dataclass
class Box:
    corner: Point
    color: Color
    when: dt.datetime | None = None


class Config(TypedDict):
    host: str
    port: int


Meters = NewType("Meters", float)


# ---- the text of values


@pytest.mark.parametrize(
    ("annotation", "value", "data"),
    [
        (int, 5, b"5\n"),
        (int, -(10**30), b"-1000000000000000000000000000000\n"),
        (float, 0.1, b"0.1\n"),
        (float, 2, b"2.0\n"),
        (float, math.inf, b"inf\n"),
        (Meters, 1.5, b"1.5\n"),
        (bool, True, b"true\n"),
        (bool, False, b"false\n"),
        (str, "", b"\n"),
        (str, "two\nlines\n", b"two\nlines\n\n"),
        (str, " \N{SNOWMAN} ", b" \xe2\x98\x83 \n"),
        (bytes, b"", b""),
        (bytes, b"raw\n\0", b"raw\n\0"),
        (bytearray, bytearray(b"x"), b"x"),
        (Color, Color.RED, b"RED\n"),
        (Color, Color.BLUE, b"BLUE\n"),
        (Level, Level.LOW, b"low level\n"),
        (Level, Level.HIGH, b" high\n\n"),
        (Swapped, Swapped.A, b"B\n"),
        (Number, Number.ONE, b"ONE\n"),
        (Rights, Rights.READ | Rights.WRITE, b"READ|WRITE\n"),
        (Rights, Rights(0), b"0\n"),
        (Path, Path("/a b/c"), b"/a b/c\n"),
        (PurePosixPath, PurePosixPath("caf\udce9"), b"caf\xe9\n"),
        (dt.datetime, dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.timezone.utc), b"2026-01-02T03:04:00+00:00\n"),
        (dt.date, dt.date(2026, 1, 2), b"2026-01-02\n"),
        (dt.time, dt.time(3, 4), b"03:04:00\n"),
        (Port, Port(80), b"80\n"),
        (Name, Name("x"), b"x\n"),
        (Day, Day(2026, 1, 2), b"2026-01-02\n"),
        (Annotated[int, "unit"], 5, b"5\n"),
        (Literal["a", 5, None, True], "a", b"a\n"),
        (Literal["a", 5, None, True], 5, b"5\n"),
        (Literal["a", 5, None, True], None, b"\n"),
        (Literal["a", 5, None, True], True, b"true\n"),
        (Literal[Color.RED], Color.RED, b"RED\n"),
        (Optional[int], None, b"\n"),
        (Optional[int], 5, b"5\n"),
        (Union[str, None], "x", b"x\n"),
        (int | None, 5, b"5\n"),
        (Optional[Color], Color.RED, b"RED\n"),
        (Optional[bytes], None, b""),
        (Optional[bytes], b"\n", b"\n"),
        (Optional[Literal["a"]], None, b"\n"),
    ],
)
def test_one_line_both_ways(annotation: Any, value: object, data: bytes) -> None:
    codec = codec_for(annotation)
    assert not isinstance(codec, Document)
    assert codec.encode(value) == data
    again = codec.decode(data)
    assert again == value
    assert type(again) is type(value) or annotation is float
    assert codec.immutable is (annotation is not bytearray)


@pytest.mark.parametrize(
    ("annotation", "data", "value"),
    [
        (int, b"5", 5),
        (int, b" 5 \n", 5),
        (int, b"0x1F\n", 31),
        (int, b"-0b11", -3),
        (int, b"007\n", 7),
        (float, b"1e3\n", 1000.0),
        (bool, b"1\n", True),
        (bool, b"Yes", True),
        (bool, b"ON\n", True),
        (bool, b"0", False),
        (bool, b"no\n", False),
        (bool, b"off\n", False),
        (bool, b"False\n", False),
        (str, b"", ""),
        (str, b"a\n\n", "a\n"),
        (str, b"a\r\n", "a\r"),
        (Color, b"CRIMSON\n", Color.RED),
        (Color, b" RED", Color.RED),
        (Level, b"LOW\n", Level.LOW),
        (Swapped, b"A\n", Swapped.B),
        (Rights, b"WRITE | READ\n", Rights.ALL),
        (Rights, b"ALL", Rights.ALL),
        (Rights, b"2", Rights.WRITE),
        (dt.datetime, b"2026-01-02T03:04:00Z\n", dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.timezone.utc)),
        (dt.datetime, b"2026-01-02 03:04\n", dt.datetime(2026, 1, 2, 3, 4)),  # noqa: DTZ001 - as written
        (dt.time, b"03:04:00Z", dt.time(3, 4, tzinfo=dt.timezone.utc)),
        (Optional[int], b"", None),
        (Optional[str], b"\n", None),
    ],
)
def test_other_ways_to_write_it(annotation: Any, data: bytes, value: object) -> None:
    again = codec_for(annotation).decode(data)
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    ("annotation", "data"),
    [
        (int, b"\n"),
        (int, b"five\n"),
        (int, b"1.5\n"),
        (int, b"1\n2\n"),
        (float, b"x"),
        (bool, b"2\n"),
        (bool, b""),
        (str, b"\xff\n"),
        (Color, b"GREEN\n"),
        (Color, b"1\n"),
        (Rights, b"READ|EXECUTE\n"),
        (Rights, b"\n"),
        (dt.datetime, b"yesterday\n"),
        (dt.date, b"2026-13-01\n"),
        (Port, b"0\n"),
        (Literal["a", 5], b"b\n"),
        (Optional[int], b"x\n"),
        (list[int], b"[1, \n"),
        (list[int], b'["x"]\n'),
        (list[int], b"5\n"),
        (dict[str, int], b"[]\n"),
        (dict[str, str], b"\xff\n"),
        (Point, b"{}\n"),
        (Point, b"[]\n"),
        (Point, b'{"x": 1, "y": -1}\n'),
        (Config, b'{"host": "x"}\n'),
        (list[int], b"[" * 100_000),
    ],
)
def test_what_is_no_value_is_a_value_error(annotation: Any, data: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        codec_for(annotation).decode(data)


def test_the_error_says_what_would_have_fitted() -> None:
    with pytest.raises(ValueError, match="'GREEN' is none of RED, BLUE"):
        codec_for(Color).decode(b"GREEN\n")
    with pytest.raises(ValueError, match="'b' is none of 'a', 5"):
        codec_for(Literal["a", 5]).decode(b"b\n")
    with pytest.raises(ValueError, match=r"document\.x"):
        codec_for(Point).decode(b'{"x": "five"}')


def test_a_value_outside_of_its_literal_does_not_read() -> None:
    with pytest.raises(ValueError, match="none of"):
        codec_for(Literal["a"]).encode("b")


# ---- documents


@pytest.mark.parametrize(
    ("annotation", "value", "data"),
    [
        (
            dict[str, str],
            {"b": "1", "a": "\N{SNOWMAN}"},
            '{\n  "b": "1",\n  "a": "\N{SNOWMAN}"\n}\n'.encode(),
        ),
        (dict[str, str], {}, b"{}\n"),
        (list[int], [1], b"[\n  1\n]\n"),
        (tuple[int, ...], (1, 2), b"[\n  1,\n  2\n]\n"),
        (Optional[list[int]], None, b"null\n"),
        (Point, Point(1, 2), b'{\n  "x": 1,\n  "y": 2\n}\n'),
        (Config, {"host": "x", "port": 1}, b'{\n  "host": "x",\n  "port": 1\n}\n'),
        (Any, {"a": [1, None, "x"]}, b'{\n  "a": [\n    1,\n    null,\n    "x"\n  ]\n}\n'),
        (set[int], {1}, b"[\n  1\n]\n"),
    ],
)
def test_documents_both_ways(annotation: Any, value: object, data: bytes) -> None:
    codec = codec_for(annotation)
    assert isinstance(codec, Document)
    assert not codec.immutable
    assert codec.encode(value) == data
    assert codec.decode(data) == value


def test_documents_nest_what_cattrs_knows() -> None:
    box = Box(Point(1, 2), Color.BLUE, dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc))
    codec = codec_for(Box)
    assert codec.decode(codec.encode(box)) == box
    assert codec_for(Literal["", None]).decode(b"null") is None
    assert isinstance(codec_for(Literal["", None]), Document)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement is of Python 3.12")
def test_type_aliases_are_seen_through() -> None:
    names: dict[str, Any] = {}
    exec("type Alias = int", names)
    assert isinstance(codec_for(names["Alias"]), Text)


# ---- round trips

VALUES = {
    int: st.integers(),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    str: st.text(),
    bytes: st.binary(),
    Color: st.sampled_from(Color),
    Level: st.sampled_from(Level),
    Swapped: st.sampled_from(Swapped),
    Rights: st.sampled_from([Rights(0), Rights.READ, Rights.WRITE, Rights.ALL]),
    dt.datetime: st.datetimes(timezones=st.none() | st.just(dt.timezone.utc)),
    dt.date: st.dates(),
    dt.time: st.times(),
    PurePosixPath: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map(
        PurePosixPath
    ),
    Optional[int]: st.none() | st.integers(),
    Literal["a", "", 5, True]: st.sampled_from(["a", "", 5, True]),
    dict[str, list[int]]: st.dictionaries(st.text(), st.lists(st.integers())),
    Point: st.builds(Point, st.integers(), st.integers(0)),
}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(list(VALUES)))
def test_what_is_read_can_be_written_back(data: st.DataObject, annotation: Any) -> None:
    value = data.draw(VALUES[annotation])
    codec = codec_for(annotation)
    encoded = codec.encode(value)
    again = codec.decode(encoded)
    assert again == value
    assert type(again) is type(value)
    assert codec.encode(again) == encoded
    if not isinstance(codec, Verbatim):
        assert encoded.endswith(b"\n")
        # As `printf` writes it, without the last newline: the same, unless the text itself ends in one.
        if not encoded.endswith(b"\n\n"):
            assert codec.decode(encoded[:-1]) == value


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(VALUES)), st.binary() | st.text(string.printable).map(str.encode))
def test_any_bytes_are_a_value_or_refused(annotation: Any, data: bytes) -> None:
    codec = codec_for(annotation)
    try:
        value = codec.decode(data)
    except (ValueError, TypeError):
        return
    if value == value:  # not a NaN
        assert codec.decode(codec.encode(value)) == value


# ---- what functions return


@pytest.mark.parametrize(
    ("value", "annotation", "content"),
    [
        ("line", None, b"line\n"),
        ("line\n", None, b"line\n"),
        ("", str, b""),
        (b"raw", None, b"raw"),
        (memoryview(b"raw"), bytes, b"raw"),
        (None, None, b""),
        (None, Optional[int], b""),
        (5, None, b"5\n"),
        (5, float, b"5.0\n"),
        (True, Any, b"true\n"),
        (Color.RED, Color, b"RED\n"),
        (Path("/x"), None, b"/x\n"),
        ({"a": 1}, None, b'{\n  "a": 1\n}\n'),
        ([Point(1)], list[Point], b'[\n  {\n    "x": 1,\n    "y": 0\n  }\n]\n'),
        (iter(["a\n", b"b", bytearray(b"\n")]), None, b"a\nb\n"),
    ],
)
def test_render(value: object, annotation: Any, content: bytes) -> None:
    assert render(value, annotation) == content
