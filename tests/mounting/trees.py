"""Trees for tests of events, and what is read of them."""

from __future__ import annotations

from pathlib import Path

from fusetree import Dir
from tests.support import in_thread

__all__ = ["text", "writable"]


def text(path: Path) -> str:
    return in_thread(path.read_text)


def writable(root: Dir) -> Dir:
    """Names are announced to the kernel of a user other than root where their directory's owner may write."""
    root.mode = 0o755
    for child in root.values():
        if isinstance(child, Dir):
            writable(child)
    return root
