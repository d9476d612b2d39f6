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
import sys

REPEATS = 40
BASE = 1000
SIZES = 997  # the length of `padded` tells the number, modulo this

# Places in the shared memory, which is looked at as an array of 64-bit numbers: one store each, never torn
# (struct
# clears first what it packs into).
BEGUN, TOLD, STOP, COUNTS = range(4)


def text_of(number: int) -> bytes:
    """The value of *number*: repeated, so that a torn one shows, and of a length that depends on it."""
    return b"%d " % number * REPEATS + b"." * (number % SIZES) + b"\n"


def size_is_good(size: int, told: int, begun: int) -> bool:
    """Whether *size* is that of a value between the two; True when they are too far apart to tell."""
    return begun - told >= SIZES or any(len(text_of(number)) == size for number in range(told, begun + 1))


def main() -> None:
    shared, path, me = sys.argv[1:]
    descriptor = os.open(shared, os.O_RDWR)
    memory = memoryview(mmap.mmap(descriptor, 4096)).cast("q")
    reads = wrong = torn_by_kernel = 0
    print("ready", flush=True)
    while not memory[STOP]:
        told = memory[TOLD]
        size = os.stat(path).st_size
        with open(path, "rb", buffering=0) as file:
            data = file.read(1 << 16) or b""
        begun = memory[BEGUN]
        reads += 1
        memory[COUNTS + int(me)] = reads
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
        if not size_is_good(size, told, begun):
            # Linux fills stat(2) from its cache without the lock under which another process's reply changes
            # it (so a new time
            # with an old size can be seen, once in a million). What is stale at our end stays so at a second
            # look.
            again = os.stat(path).st_size
            torn_by_kernel += 1
            if torn_by_kernel > 3 or not size_is_good(again, told, memory[BEGUN]):
                print(f"stale size: {size}, then {again}, is of none of {told}...{begun}")
                wrong += 1
        if wrong > 5:
            break
    print(f"reads {reads}")


if __name__ == "__main__":
    main()
