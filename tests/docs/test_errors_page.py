"""The table "Not supported" of docs/explanation/errors.md: each row is what really happens."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from fusetree import Dir, File, action, entry, mount, node
from fusetree.testing.posix.syscalls import fallocate
from tests.support import ROOT, in_thread, raises_errno

PAGE = ROOT / "docs" / "explanation" / "errors.md"


@node
class Tree(Dir):
    """One of each kind of file that a row of the table speaks of."""

    value: int = entry(1)
    fixed: int = entry(2, writable=False)
    secret: str = entry("s3cret", mode=0o200)
    document: dict[str, int] = entry(factory=dict)
    plain: File = attrs.field(factory=lambda: File(b"content\n", mode=0o644))

    @action
    def act(self, line: str) -> None:
        """Does nothing."""


@pytest.fixture
def tree(mountpoint: Path) -> Iterator[Path]:
    with mount({"tree": Tree(), "sub": {"x": "1"}}, mountpoint):
        yield mountpoint / "tree"


def write(path: Path, data: bytes, offset: int = 0, flags: int = 0) -> None:
    """One write(2), and the close that may refuse it as well."""
    descriptor = os.open(path, os.O_WRONLY | flags)
    try:
        os.pwrite(descriptor, data, offset)
    finally:
        os.close(descriptor)


def with_open(path: Path, call: Callable[[int], object]) -> None:
    """Call with a descriptor that is open for writing."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        call(descriptor)
    finally:
        os.close(descriptor)


# What each row says, done: by the beginning of the row.
ROWS: dict[str, list[Callable[[Path], Any]]] = {
    "create, delete, rename or link a name": [
        lambda tree: (tree / "new").touch(),
        lambda tree: (tree / "value").unlink(),
        lambda tree: (tree / "value").rename(tree / "other"),
        lambda tree: os.link(tree / "value", tree / "other"),
        lambda tree: (tree.parent / "sub").rmdir(),
    ],
    "make a directory or symbolic link": [
        lambda tree: (tree / "new").mkdir(),
        lambda tree: (tree / "new").symlink_to("x"),
    ],
    "make a fifo, socket or device": [lambda tree: os.mkfifo(tree / "new")],
    "read a write-only entry or an action": [
        lambda tree: (tree / "secret").read_bytes(),
        lambda tree: (tree / "act").read_bytes(),
    ],
    "change mode or owner": [
        lambda tree: (tree / "value").chmod(0o600),
        lambda tree: os.chown(tree / "value", 1, 1),
    ],
    "set the times of what is not writable": [
        lambda tree: os.utime(tree / "fixed", (1, 1)),
        lambda tree: os.utime(tree, (1, 1)),
    ],
    "write a value that does not convert or is not valid": [lambda tree: write(tree / "value", b"many\n")],
    "write a value at another offset than 0": [lambda tree: write(tree / "value", b"5", 3)],
    "write more than a document": [
        lambda tree: write(tree / "document", b"5", 16 << 20),
        lambda tree: write(tree / "plain", b"5", 1 << 30),
    ],
    "read an extended attribute": [lambda tree: os.getxattr(tree / "value", "user.x")],
    "reserve space or punch a hole with fallocate(2)": [
        lambda tree: with_open(tree / "plain", lambda fd: fallocate(fd, 0, 0, 10))
    ],
    "give a device command with ioctl(2)": [
        lambda tree: with_open(tree / "plain", lambda fd: fcntl.ioctl(fd, 0x1234))
    ],
    "use a name of more than 255 bytes": [lambda tree: (tree / ("x" * 256)).stat()],
    "set an extended attribute": [lambda tree: os.setxattr(tree / "value", "user.x", b"1")],
}


def table() -> dict[str, str]:
    """The rows of the table: what a client tries, and the errno."""
    rows = {}
    for line in PAGE.read_text().partition("## Not supported")[2].partition("\n## ")[0].splitlines():
        if line.startswith("| ") and not line.startswith(("|---", "| a client")):
            what, _, number = (cell.strip() for cell in line.strip("|").split("|"))
            rows[what] = number
    return rows


def errno_of_row(beginning: str) -> list[int]:
    (cell,) = [number for what, number in table().items() if what.startswith(beginning)]
    return [getattr(errno, name) for name in re.findall(r"E[A-Z]+", cell)]


@pytest.mark.mount
@pytest.mark.root
@pytest.mark.parametrize(
    ("beginning", "number"),
    [(row, number) for row, attempts in ROWS.items() for number in range(len(attempts))],
)
def test_row(tree: Path, beginning: str, number: int) -> None:
    with raises_errno(*errno_of_row(beginning)):
        in_thread(lambda: ROWS[beginning][number](tree))
    assert (tree / "value").read_text() == "1\n"


@pytest.mark.mount
@pytest.mark.root
def test_writing_to_what_is_not_writable(tree: Path) -> None:
    """As root, whom modes do not stop."""
    with raises_errno(errno.EROFS):
        write(tree / "fixed", b"5\n")


@pytest.mark.mount
def test_truncating_an_entry_changes_nothing(tree: Path) -> None:
    os.truncate(tree / "value", 0)
    assert (tree / "value").read_text() == "1\n"


def test_every_row_has_a_test() -> None:
    elsewhere = (
        "write to a file that is not writable",  # above; the other half in the tests of the adapter
        "truncate an entry",  # above
        "use a node id that is not known any more",  # tests of the inode table
        "write anything to a mount with `ro=True`",  # tests of mounting
        "use a mount whose server was killed",  # tests of mounting
    )
    for row in table():
        assert row.startswith((*ROWS, *elsewhere)), row
