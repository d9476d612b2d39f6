"""Real mounts, used by real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from fusetree import Mount, mount

Mounting: TypeAlias = Callable[..., Mount]


@pytest.fixture
def mounted(mountpoint: Path) -> Iterator[Mounting]:
    """Mounts a tree at `mountpoint` (or elsewhere with `at=`) until the test is over."""
    with ExitStack() as stack:

        def do(root: Any, *, at: Path | None = None, **options: Any) -> Mount:
            return stack.enter_context(mount(root, at or mountpoint, **options))

        yield do
