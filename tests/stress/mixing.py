"""A process that plays random operations on two directories, and on a third that others play in, too.

    python -m tests.stress.mixing OURS HOST SEED SECONDS

What it does in `OURS/SEED` it does in `HOST/SEED`, with the same answers; from time to time all files
are compared. In `OURS/shared` every process plays at once; there only what a broken file system answers is
wrong. Ends with status 0, or says what was wrong. Not a test; started by `test_mix.py`.
"""

from __future__ import annotations

import errno
import sys
import time
from pathlib import Path

from tests.examples.player import Player

ROUND = 500  # operations between two looks at everything
BROKEN = {errno.EIO, errno.ENOTCONN, errno.ENOSYS, errno.EFAULT, errno.ESTALE}


def play(ours: Path, host: Path, seed: int, seconds: float) -> int:
    """Play; return how many operations, and leave with a text when one was wrong."""
    for folder in (ours, host):
        (folder / str(seed)).mkdir()
    pair = Player(ours / str(seed), seed), Player(host / str(seed), seed)
    shared = Player(ours / "shared", seed)
    deadline = time.monotonic() + seconds
    steps = 0
    while time.monotonic() < deadline:
        for _ in range(ROUND):
            steps += 1
            got, wanted = (player.step() for player in pair)
            if got != wanted:
                sys.exit(
                    f"seed {seed}, step {steps} on {pair[0].names}: {got!r:.300} instead of {wanted!r:.300}"
                )
            if steps % 3 == 0:
                name, _, error = shared.step()
                if error in BROKEN:
                    sys.exit(f"seed {seed}, {name} on {shared.names} answered {errno.errorcode[error]}")
        found, there = (player.end() for player in pair)
        if found != there:
            different = [name for name in {*found, *there} if found.get(name) != there.get(name)]
            sys.exit(f"seed {seed}, after step {steps}: {sorted(different)} are not the same")
    while shared.open:
        shared.close()
    return steps


if __name__ == "__main__":
    print(play(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
