"""Random operations in a folder: python -m tests.examples.player FOLDER SEED STEPS."""

from __future__ import annotations

import errno
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fusetree.testing.posix import syscalls

NAMES = ("a", "b", "c", "d/a", "d/b", "d/e/a", "d/e/b", "f", "f/a", "d", "d/e")


class Player:
    """Plays the operations of one seed in a folder; descriptors that it opens stay open across renames."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.open: list[int] = []
        self.operations: tuple[Callable[[], Any], ...] = (
            self.create, self.create, self.write, self.write, self.read, self.read, self.read_open,
            self.write_open, self.truncate, self.rename, self.rename, self.link, self.unlink, self.mkdir,
            self.mkdir, self.rmdir, self.symlink, self.readlink, self.chmod, self.set_times, self.stat,
            self.stat, self.list, self.close, self.set_attribute, self.get_attributes, self.punch,
        )  # fmt: skip

    def step(self) -> tuple[str, object, int]:
        """One operation; its name, what it returned, and its errno (0: it succeeded)."""
        operation = self.chance.choice(self.operations)
        # What is drawn must not depend on what happens.
        self.names = [self.folder / self.chance.choice(NAMES) for _ in range(2)]
        self.numbers = [self.chance.randrange(200_000) for _ in range(2)]
        self.bytes = self.chance.randbytes(self.chance.randrange(70_000))
        try:
            return operation.__name__, operation(), 0
        except OSError as error:
            return operation.__name__, None, error.errno or 0

    def create(self) -> None:
        self.open.append(os.open(self.names[0], os.O_CREAT | os.O_RDWR | self._flags(), 0o644))
        if len(self.open) > 8:
            os.close(self.open.pop(0))

    def _flags(self) -> int:
        return (0, os.O_EXCL, os.O_TRUNC, os.O_APPEND)[self.numbers[1] % 4]

    def _opened(self) -> int:
        return self.open[self.numbers[0] % len(self.open)] if self.open else -1

    def write(self) -> int:
        fd = os.open(self.names[0], os.O_WRONLY)
        try:
            return os.pwrite(fd, self.bytes, self.numbers[0])
        finally:
            os.close(fd)

    def read(self) -> bytes:
        return self.names[0].read_bytes()

    def write_open(self) -> int:
        return os.pwrite(self._opened(), self.bytes, self.numbers[1])

    def read_open(self) -> bytes:
        return os.pread(self._opened(), 100_000, self.numbers[1])

    def truncate(self) -> None:
        os.truncate(self.names[0], self.numbers[0])

    def punch(self) -> None:
        modes = (0, 1, 3)  # nothing, FALLOC_FL_KEEP_SIZE, and with it FALLOC_FL_PUNCH_HOLE
        syscalls.fallocate(self._opened(), modes[self.numbers[0] % 3], self.numbers[0], self.numbers[1] + 1)

    def rename(self) -> None:
        os.rename(*self.names)

    def link(self) -> None:
        os.link(*self.names)

    def unlink(self) -> None:
        os.unlink(self.names[0])

    def mkdir(self) -> None:
        os.mkdir(self.names[0])

    def rmdir(self) -> None:
        os.rmdir(self.names[0])

    def symlink(self) -> None:
        os.symlink(self.names[1].name, self.names[0])

    def readlink(self) -> str:
        return os.readlink(self.names[0])

    def chmod(self) -> None:
        os.chmod(self.names[0], 0o700 | self.numbers[0] % 0o100)

    def set_times(self) -> None:
        os.utime(self.names[0], ns=(self.numbers[0], self.numbers[1]))

    def stat(self) -> tuple[int, ...]:
        found = os.stat(self.names[0])
        size = 0 if os.path.isdir(self.names[0]) else found.st_size
        return found.st_mode, found.st_nlink, size

    def list(self) -> list[str]:
        return sorted(os.listdir(self.names[0]))

    def close(self) -> None:
        if self.open:
            os.close(self.open.pop(self.numbers[0] % len(self.open)))

    def set_attribute(self) -> None:
        os.setxattr(self.names[0], f"user.{self.numbers[0] % 3}", self.bytes[:50])

    def get_attributes(self) -> dict[str, bytes]:
        names = [name for name in os.listxattr(self.names[0]) if name.startswith("user.")]
        return {name: os.getxattr(self.names[0], name) for name in sorted(names)}

    def end(self) -> dict[str, tuple[object, ...]]:
        """Close everything; all that is in the folder."""
        while self.open:
            os.close(self.open.pop())
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(self.folder.rglob("*")):
            seen = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            found[str(path.relative_to(self.folder))] = (seen.st_mode, seen.st_nlink, content)
        return found


def main() -> None:
    """Play; what only a broken file system answers ends it."""
    folder, seed, steps = sys.argv[1:]
    player = Player(Path(folder), int(seed))
    for number in range(int(steps)):
        name, _, error = player.step()
        if error in {errno.EIO, errno.ENOTCONN, errno.ENOSYS, errno.EFAULT, errno.ESTALE}:
            sys.exit(f"step {number}: {name} on {player.names} answered {errno.errorcode[error]}")


if __name__ == "__main__":
    main()
