"""Text and bytes of names."""

from __future__ import annotations

import pytest

from fusetree.adapter.names import decode, encode


@pytest.mark.parametrize("name", [b"plain", "ünïcode/…".encode(), b"\xff\xfe", bytes(range(1, 256))])
def test_whatever_the_kernel_sends_comes_back(name: bytes) -> None:
    assert encode(decode(name)) == name
