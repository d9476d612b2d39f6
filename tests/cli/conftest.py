"""Commands run in this process set up logging, as a process of its own would; here it is put back."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("fusetree")
    before = ours.level, list(root.handlers)
    yield
    ours.setLevel(before[0])
    root.handlers[:] = before[1]
