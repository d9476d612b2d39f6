"""A reader process of the coherence stress: reads until told to stop, and prints what it saw that was wrong.

It knows of the writer by two numbers in shared memory: `begun`, set before a change, and `told`, set after
the call that made the change returned.  What is read after `told` was N must not be older than N, and not
newer than `begun` is afterwards.  Not a test; started by test_coherence.py.

How often it has read stands in the shared memory too, so that the writer knows when all readers have seen
enough.

    reader.py SHARED FILE NUMBER
"""

from __future__ import annotations

import mmap
import os
import struct
import sys

REPEATS = 40
BASE = 1000
SIZES = 997  # the length of `padded` tells the number, modulo this
MEMORY = struct.Struct("=qqq")  # begun, told, stop
COUNT = struct.Struct("=q")
COUNTS = 64  # where the counts begin, one for each reader


def text_of(number: int) -> bytes:
    """The value of *number*: repeated, so that a torn one shows, and of a length that depends on it."""
    return b"%d " % number * REPEATS + b"." * (number % SIZES) + b"\n"


def main() -> None:
    shared, path, me = sys.argv[1:]
    descriptor = os.open(shared, os.O_RDWR)
    memory = mmap.mmap(descriptor, 4096)
    reads = wrong = 0
    print("ready", flush=True)
    while True:
        _, told, stop = MEMORY.unpack_from(memory)
        if stop:
            break
        size = os.stat(path).st_size
        with open(path, "rb", buffering=0) as file:
            data = file.read(1 << 16) or b""
        begun, _, _ = MEMORY.unpack_from(memory)
        reads += 1
        COUNT.pack_into(memory, COUNTS + COUNT.size * int(me), reads)
        try:
            number = int(data.split(b" ", 1)[0])
        except ValueError:
            print(f"no number in {data[:50]!r}")
            wrong += 1
            continue
        if data != text_of(number):
            print(f"torn: {data[:60]!r}...{data[-60:]!r} is not the text of {number}")
            wrong += 1
        if not told <= number <= begun:
            print(f"stale: read {number}, {told} had been told before, {begun} begun after")
            wrong += 1
        if begun - told < SIZES and not any(len(text_of(n)) == size for n in range(told, begun + 1)):
            print(f"stale size: {size} is of none of {told}...{begun}")
            wrong += 1
        if wrong > 5:
            break
    print(f"reads {reads}")


if __name__ == "__main__":
    main()
