"""What the coherence stress and its readers both know: the shared memory, and what each number looks like.

A *cell* is a place of the tree whose state is one number. Before a change its writer sets `begun` to the new
number, and `told` after the call that made it returned with delivery. So whatever a reader is answered after
it has seen `told` must be of a number from `told` to the `begun` that it sees afterwards.

The shared memory is an array of 64-bit numbers: one store each, never torn.
"""

from __future__ import annotations

import mmap
import os
import stat

VALUES = 4  # entries of a node: text whose length depends on the number
FILES = 4  # File nodes: pages
SLOTS = 8  # children that come (odd) and go (even)
REPLACED = 3  # children that are a file, a directory or a symbolic link in turn
MOVED = 4  # children that are in one of two directories
CELLS = VALUES + FILES + SLOTS + REPLACED + MOVED

PAGE = 4096
SIZES = 997  # the length of a value tells the number, modulo this

# Places in the shared memory.
PHASE, LOOKS = 0, 16  # LOOKS: how often each reader looked
BEGUN, TOLD = 64, 64 + CELLS
PLACES = 64 + 2 * CELLS

RUNNING, STOPPED, SETTLED = range(3)

KINDS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)  # of what is replaced, by the number modulo 3

Memory = memoryview


def shared(path: str | os.PathLike[str]) -> memoryview:
    """The numbers in a file of `PLACES * 8` bytes, mapped."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        return memoryview(mmap.mmap(descriptor, PLACES * 8)).cast("q")
    finally:
        os.close(descriptor)


# The cells of each kind, by their index.
VALUE_CELLS = range(VALUES)
FILE_CELLS = range(VALUE_CELLS.stop, VALUE_CELLS.stop + FILES)
SLOT_CELLS = range(FILE_CELLS.stop, FILE_CELLS.stop + SLOTS)
REPLACED_CELLS = range(SLOT_CELLS.stop, SLOT_CELLS.stop + REPLACED)
MOVED_CELLS = range(REPLACED_CELLS.stop, REPLACED_CELLS.stop + MOVED)


def value_text(number: int) -> str:
    """A value of an entry: repeated, so that a torn one shows, and of a length that depends on the number."""
    return f"{number} " * 40 + "." * (number % SIZES)


def pages_of(number: int) -> int:
    """How many pages a File has."""
    return 1 + number % 3


def page_text(number: int) -> bytes:
    """Each page of a File's content."""
    return (b"%019d\n" % number * (PAGE // 20 + 1))[:PAGE]


def file_mode(number: int) -> int:
    """The permissions of a File, which change in a step of their own, after its content."""
    return 0o400 + number % 64
