"""A process that looks a name up the moment it is told to.  Not a test; started by test_coherence.py.

    looker.py SHARED FOLDER

In shared memory (64-bit numbers): the round that is on, and the last one that was looked at; round -1 is the
end.
"""

from __future__ import annotations

import mmap
import os
import sys

ROUND, LOOKED = range(2)


def main() -> None:
    shared, folder = sys.argv[1:]
    memory = memoryview(mmap.mmap(os.open(shared, os.O_RDWR), 4096)).cast("q")
    last = 0
    print("ready", flush=True)
    while (number := memory[ROUND]) >= 0:
        if number != last:
            os.stat(f"{folder}/f{number}")
            memory[LOOKED] = last = number


if __name__ == "__main__":
    main()
