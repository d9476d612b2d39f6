"""Documents of all kinds are stored at close and at fsync, which fail with EINVAL and keep the old value."""

from __future__ import annotations

import configparser
import dataclasses
import errno
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import attrs
import pytest

from fusetree import Dir, entry, node, register_codec
from fusetree.testing import Client
from tests.support import raises_errno


class Ini:
    """A codec of the program's own."""

    immutable = False
    document = True

    def encode(self, value: configparser.ConfigParser) -> bytes:
        text = io.StringIO()
        value.write(text)
        return text.getvalue().encode()

    def decode(self, data: bytes) -> configparser.ConfigParser:
        value = configparser.ConfigParser()
        try:
            value.read_string(data.decode())
        except configparser.Error as error:
            raise ValueError(str(error)) from None
        return value


@attrs.define
class Point:
    x: int
    y: int = 0


@dataclasses.dataclass
class Range:
    low: int
    high: int


class Pair(NamedTuple):
    name: str
    size: int


def ini(number: int) -> configparser.ConfigParser:
    value = configparser.ConfigParser()
    value["pool"] = {"size": str(number)}
    return value


def _sorted(_: Any, attribute: Any, value: list[int]) -> None:
    if value != sorted(value):
        raise ValueError("not sorted")


@node
class Documents(Dir):
    mapping: dict[str, int] = entry(factory=lambda: {"a": 1})
    sorted_: list[int] = entry(factory=lambda: [1, 2], validator=_sorted, name="sorted")
    point: Point = entry(factory=lambda: Point(1))
    range: Range = entry(factory=lambda: Range(1, 2))
    pair: Pair = entry(Pair("a", 1))
    maybe: Point | None = entry(None)
    ini: configparser.ConfigParser = entry(factory=lambda: ini(1))
    maybe_ini: configparser.ConfigParser | None = entry(None)


#: name: what is taken, what is not
WRITTEN = {
    "mapping": ('{"b": 2}', '{"b": "x"}'),
    "sorted": ("[3, 4, 5]", "[2, 1]"),
    "point": ('{"x": 5, "y": 6}', '{"y": 6}'),
    "range": ('{"low": 5, "high": 6}', "[]"),
    "pair": ('["b", 2]', '["b", "x"]'),
    "maybe": ('{"x": 7, "y": 8}', '{"x": {}}'),
    "ini": ("[pool]\nsize = 2\n\n", "size"),
    "maybe_ini": ("[pool]\nsize = 2\n\n", "size"),
}


@pytest.fixture
def documents() -> Iterator[Documents]:
    take_back = register_codec(configparser.ConfigParser, codec=Ini())
    yield Documents()
    take_back()


@pytest.mark.parametrize("name", WRITTEN)
def test_a_document_is_stored_when_it_is_whole(documents: Documents, name: str) -> None:
    good, bad = WRITTEN[name]
    with Client(Dir({"d": documents})) as client:
        before = client.read_text(f"d/{name}")
        for end in ("close", "fsync"):
            file = client.open(f"d/{name}", "w")
            for letter in bad:
                file.write(letter)  # in as many writes as you like
            with raises_errno(errno.EINVAL):
                getattr(file, end)()
            assert client.read_text(f"d/{name}") == before, "the old value stays"
            file.close()
        with client.open(f"d/{name}", "w") as file:
            for letter in good:
                file.write(letter)
            assert client.read_text(f"d/{name}") == before, "not before it is whole"
            file.fsync()
            now = client.read_text(f"d/{name}")
            assert now != before
        client.write(f"d/{name}", now)
        assert client.read_text(f"d/{name}") == now, "what is read can be written"


def test_who_fails_may_go_on_and_write_it_right(documents: Documents) -> None:
    with Client(Dir({"d": documents})) as client, client.open("d/mapping", "w") as file:
        file.pwrite(b'{"b": x}', 0)
        with raises_errno(errno.EINVAL):
            file.fsync()
        file.fsync()  # nothing was written since
        file.pwrite(b"7", 6)
        file.fsync()
        assert documents.mapping == {"b": 7}


def test_a_large_document_is_taken_whole(documents: Documents) -> None:
    with Client(Dir({"d": documents})) as client:
        client.write("d/mapping", "{" + ", ".join(f'"key{n}": {n}' for n in range(100_000)) + "}")
        assert len(documents.mapping) == 100_000
        large = ini(1)
        large["more"] = {f"key{n}": "x" * 100 for n in range(5000)}
        client.write("d/ini", Ini().encode(large))
        assert len(documents.ini["more"]) == 5000
