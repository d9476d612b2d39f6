"""Codecs of a program's own types, in one registry."""

from __future__ import annotations

import attrs
import pytest

from fusetree import Dir, computed, entry, expose, node, register_codec
from fusetree.nodes import FileNode
from fusetree.nodes.codecs import codec_for
from fusetree.nodes.documents import Document
from fusetree.nodes.lines import Text


@attrs.frozen
class Money:
    cents: int

    def __str__(self) -> str:
        return f"{self.cents // 100}.{self.cents % 100:02}"

    @classmethod
    def parse(cls, text: str) -> Money:
        return cls(round(float(text) * 100))


class Tip(Money):
    pass


def test_one_registry_for_all() -> None:
    unregister = register_codec(Money, str, Money.parse)
    try:

        @node
        class Account(Dir):
            balance: Money = entry(Money(1250))

            @computed
            def twice(self) -> Money:
                return Money(self.balance.cents * 2)

        account = Account()
        state = {"price": Money(99), "tip": Tip(5)}
        root = Dir({"a": account, "e": expose(state, writable=True), "plain": Money(1)})

        def text(path: str) -> bytes:
            file = root[path]
            assert isinstance(file, FileNode)
            return file.content()

        assert [text(path) for path in ("a/balance", "a/twice", "e/price", "e/tip", "plain")] == [
            *(b"12.50\n", b"25.00\n", b"0.99\n", b"0.05\n", b"0.01\n")
        ]
        for path in ("a/balance", "e/price"):
            file = root[path]
            assert isinstance(file, FileNode)
            file.store(b"3.50\n")
        assert account.balance == state["price"] == Money(350)
        with pytest.raises(ValueError, match="could not convert"):
            root["a/balance"].store(b"much")  # type: ignore[attr-defined]
    finally:
        unregister()
    assert isinstance(codec_for(Money), Document)


def test_what_cannot_be_parsed_is_not_written() -> None:
    unregister = register_codec(Money, str)
    try:
        with pytest.raises(ValueError, match="Money"):
            codec_for(Money).decode(b"1")
    finally:
        unregister()


def test_a_later_registration_goes_first_and_gives_way_again() -> None:
    one = register_codec(Money, str)
    two = register_codec(Money, lambda money: f"{money.cents} cents")
    assert codec_for(Money).encode(Money(5)) == b"5 cents\n"
    two()
    assert codec_for(Money).encode(Money(5)) == b"0.05\n"
    one()


def test_a_whole_codec() -> None:
    class Shout(Text):
        def encode(self, value: object) -> bytes:
            return str(value).upper().encode()

    unregister = register_codec(Money, codec=Shout(str, str))
    try:
        assert codec_for(Money | None).encode(Money(5)) == b"0.05"
    finally:
        unregister()


def test_what_is_no_registration() -> None:
    with pytest.raises(TypeError):
        register_codec("Money", str)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        register_codec(Money)  # type: ignore[call-overload]
