from __future__ import annotations

import datetime as dt
import enum
import re
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from fusetree.routing.convertors import BUILTIN, Convertor, as_convertor
from fusetree.routing.pattern import Comparison, Pattern, Segment


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Even:
    """Even numbers, written with as many digits as one likes."""

    regex = "[0-9]*"

    def convert(self, text: str) -> int:
        number = int(text)
        if number % 2:
            raise ValueError(text)
        return number

    def to_string(self, value: Any) -> str:
        return str(value)


OWN: Mapping[str, Convertor] = {
    **BUILTIN,
    "colour": as_convertor("colour", Colour),
    "even": as_convertor("even", Even()),
}


def segment(text: str) -> Segment:
    """The only segment of a pattern."""
    (found,) = Pattern.parse(f"/{text}", OWN).segments
    return found


# -------------------------------------------------------------------------------- taking patterns apart


def test_a_pattern_is_its_segments() -> None:
    pattern = Pattern.parse("/users/{name}.json/{a:int}-{b:date}", OWN)
    assert [one.text for one in pattern.segments] == ["users", "{name}.json", "{a:int}-{b:date}"]
    assert pattern.parameters == ("name", "a", "b")
    assert pattern.segments[2].literals == ("", "-", "")
    assert Pattern.parse("/", OWN).segments == ()


def test_braces_are_doubled() -> None:
    assert segment("{{x}}").literals == ("{x}",)
    assert segment("{{{x}}}").match("{y}") == {"x": "y"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("users", "begin with a slash"),
        ("", "begin with a slash"),
        ("/users/", "at its end"),
        ("/a//b", "two slashes"),
        ("/a/../b", "means something else"),
        ("/" + "x" * 256, "256 bytes"),
        ("/a\0{x}", "NUL"),
        ("/{x", "without its partner"),
        ("/x}", "without its partner"),
        ("/{}", "no name for a parameter"),
        ("/{1x}", "no name for a parameter"),
        ("/{x:number}", "no convertor 'number'"),
        ("/{x:}", "no convertor ''"),
        ("/{x}/{x}", "'x' twice"),
        ("/{x}{y}", "nothing stands between 'x' and {y}"),
        ("/{rest:path}/x", "alone, at the end"),
        ("/x{rest:path}", "alone, at the end"),
    ],
)
def test_what_is_no_pattern_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Pattern.parse(text, OWN)


def test_a_pattern_is_text() -> None:
    with pytest.raises(TypeError, match="text"):
        Pattern.parse(b"/x", OWN)


# -------------------------------------------------------------------------------- values and names


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("{x}", "anything at all.txt", {"x": "anything at all.txt"}),
        ("{x}", "two\nlines", {"x": "two\nlines"}),
        ("{x}.json", "a.b.json", {"x": "a.b"}),
        ("{x}.json", ".json", None),
        ("{x}.json", "a.jsonx", None),
        ("{x:int}", "-7", {"x": -7}),
        ("{x:int}", "007", None),  # one value has one name
        ("{x:int}", "7\n", None),
        ("{x:int}", "\u0667", None),
        ("{x:float}", "1e+16", {"x": 1e16}),
        ("{x:float}", "1", None),
        ("{x:float}", "nan", None),
        ("{x:date}", "2024-02-29", {"x": dt.date(2024, 2, 29)}),
        ("{x:date}", "2023-02-29", None),
        (
            "{x:uuid}",
            "12345678-1234-5678-1234-567812345678",
            {"x": uuid.UUID(int=0x12345678123456781234567812345678)},
        ),
        ("{x:uuid}", "12345678-1234-5678-1234-56781234567A", None),
        ("{y:int}-{m:int}", "2024-2", {"y": 2024, "m": 2}),
        ("{a}-{b}", "x-y-z", {"a": "x-y", "b": "z"}),
        ("{x:colour}", "red", {"x": Colour.RED}),
        ("{x:colour}", "RED", None),  # it reads "red"
        ("{x:even}", "12", {"x": 12}),
        ("{x:even}", "13", None),
        ("{x:even}", "", None),
    ],
)
def test_names_have_values(text: str, name: str, values: dict[str, Any] | None) -> None:
    found = segment(text)
    assert found.match(name) == values
    if values is not None:
        assert found.render(values) == name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("{x}", value) for value in ("", "a/b", ".", "a\0b", "x" * 256, 5, None, b"x")),
        *(("{x:int}", value) for value in ("5", 5.0, True)),
        *(("{x:float}", value) for value in (5, float("inf"), float("nan"))),
        *(("{x:date}", value) for value in ("2024-01-01", dt.datetime(2024, 1, 1))),  # noqa: DTZ001
        ("{x:uuid}", "12345678-1234-5678-1234-567812345678"),
        ("{x:colour}", "red"),
        ("{x:even}", 13),
    ],
)
def test_what_makes_no_name_is_refused(text: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        segment(text).render({"x": value})


def test_a_name_that_would_be_read_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match="give"):
        segment("{a}-{b}").render({"a": "x", "b": "y-z"})


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40
    ),
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "date": st.dates(),
    "uuid": st.uuids(),
    "colour": st.sampled_from(Colour),
}


@settings(deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(VALUES)))
def test_each_value_has_one_name_and_comes_back(data: st.DataObject, kind: str) -> None:
    value = data.draw(VALUES[kind])
    found = segment(f"a{{x:{kind}}}.z")
    back = found.match(found.render({"x": value}))
    assert back is not None
    assert repr(back["x"]) == repr(value)


@settings(deadline=None)
@given(text=st.text(min_size=1, max_size=20), kind=st.sampled_from(sorted(BUILTIN.keys() - {"path"})))
def test_each_name_that_is_taken_is_the_name_of_its_values(text: str, kind: str) -> None:
    found = segment(f"{{x:{kind}}}")
    values = found.match(text)
    if values is not None and "/" not in text and text not in (".", "..") and "\0" not in text:
        assert found.render(values) == text


# -------------------------------------------------------------------------------- how segments compare


@pytest.mark.parametrize(
    ("one", "other", "comparison"),
    [
        ("{a}", "{b}", Comparison.SAME),
        ("{a}.x", "{b}", Comparison.NARROWER),
        ("{a:int}", "{b}", Comparison.NARROWER),
        ("{a:colour}", "{b}", Comparison.NARROWER),
        ("a-{a}", "{b}", Comparison.NARROWER),
        ("a-{a}", "a{b}", Comparison.NARROWER),
        ("{a}-{b}", "{c}", Comparison.NARROWER),
        ("x", "{b}", Comparison.NARROWER),
        ("x", "{b:int}", Comparison.APART),
        ("x", "y", Comparison.APART),
        ("{a}.x", "{b}.y", Comparison.APART),
        ("a{a}", "b{b}", Comparison.APART),
        ("{a:int}", "{b:date}", Comparison.APART),
        ("{a:int}.x", "{b:uuid}.x", Comparison.APART),
        ("{a:int}", "{b}.x", Comparison.APART),
        ("{a:int}", "1{b}", Comparison.OVERLAPPING),
        ("{a}.x", "x{b}", Comparison.OVERLAPPING),
        ("{a:int}", "{b:even}", Comparison.OVERLAPPING),
        ("{a}-{b}", "{c}.{d}", Comparison.OVERLAPPING),
    ],
)
def test_segments_compare(one: str, other: str, comparison: Comparison) -> None:
    turned = {Comparison.NARROWER: Comparison.WIDER}
    assert segment(one).compare(segment(other)) is comparison
    assert segment(other).compare(segment(one)) is turned.get(comparison, comparison)


LITERALS = st.sampled_from(["", "", "a", "ab", "-", "1", ".x"])
KINDS = st.sampled_from(["str", "int", "float", "date", "uuid", "even", "colour"])


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    """A segment of a few parameters."""
    count = draw(st.integers(0, 2))
    text = draw(LITERALS)
    for number in range(count):
        between = "-" if number else ""
        text += f"{between}{{p{number}:{draw(KINDS)}}}"
    text += draw(LITERALS)
    return segment(text or "x")


NAMES = st.one_of(
    st.text("ab1-.x", min_size=1, max_size=8),
    st.from_regex(r"\A(a|ab|-|1)?-?[0-9]{1,3}(\.[0-9])?(-[0-9]{1,2})?(\.x|a)?\Z"),
    st.sampled_from(
        ["red", "ared", "red.x", "2024-01-01", "a2024-01-01.x", "12345678-1234-5678-1234-567812345678"]
    ),
)


@settings(deadline=None)
@given(one=segments(), other=segments(), names=st.lists(NAMES, max_size=30))
def test_what_is_said_of_two_segments_holds_for_every_name(
    one: Segment, other: Segment, names: list[str]
) -> None:
    comparison = one.compare(other)
    for name in names:
        taken, taken_too = one.match(name) is not None, other.match(name) is not None
        if comparison is Comparison.SAME:
            assert taken == taken_too
        elif comparison is Comparison.APART:
            assert not (taken and taken_too)
        elif comparison is Comparison.NARROWER:
            assert taken_too or not taken
        elif comparison is Comparison.WIDER:
            assert taken or not taken_too


# -------------------------------------------------------------------------------- own convertors


@pytest.mark.parametrize("given_one", [dict, 5, "x", object()])
def test_what_is_no_convertor_is_refused(given_one: Any) -> None:
    with pytest.raises(TypeError, match="convertor 'mine'"):
        as_convertor("mine", given_one)


def test_a_wrong_regex_is_told() -> None:
    class Wrong(Even):
        regex = "("

    with pytest.raises(ValueError, match="regex of a convertor is wrong"):
        Pattern.parse("/{x:wrong}", {"wrong": Wrong()})
