"""Names and link targets: `str` in the tree, bytes to the kernel, with surrogate escapes where needed."""

from __future__ import annotations

__all__ = ["decode", "encode"]


def decode(name: bytes) -> str:
    """The text that a node is declared with."""
    return name.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that the kernel is given."""
    return text.encode("utf-8", "surrogateescape")
