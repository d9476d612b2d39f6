"""A process that looks at the tree of the coherence stress, and prints what was wrong with what it saw.

    python -m tests.stress.watching SHARED MOUNTPOINT NUMBER

Signals interrupt its system calls all the time. When the changes are over and have settled, it looks at
everything once more, and each answer must be the last one. Its last line is `looks N`. Not a test; started by
`coherence.py`.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from tests.stress import plan

ENOUGH = 5  # lines of complaint


class SignalledError(Exception):
    """A signal came, and its system call is not made again."""


class Watcher:
    """Looks at one cell after the other.

    Arguments:
        memory: the shared numbers.
        top: where the tree is mounted.
        me: which reader this is.
    """

    def __init__(self, memory: plan.Memory, top: str, me: int) -> None:
        self.memory = memory
        self.top = top
        self.me = me
        self.chance = random.Random(me)
        self.complaints = 0
        self.raising = False  # whether the next signal ends its system call
        self.looks: tuple[Callable[[], None], ...] = (
            self.value, self.value_size, self.content, self.content_size, self.content_mode, self.slot,
            self.slots, self.replaced, self.moved, self.moved_listing, self.slow,
        )  # fmt: skip

    # ---- telling what is wrong

    def told(self, cells: Iterable[int]) -> list[int]:
        return [self.memory[plan.TOLD + cell] for cell in cells]

    def begun(self, cells: Iterable[int]) -> list[int]:
        return [self.memory[plan.BEGUN + cell] for cell in cells]

    def wrong(self, what: str, *facts: object) -> None:
        self.complaints += 1
        print(f"{what}: {' '.join(map(str, facts))}", flush=True)

    def expect(self, what: str, cell: int, told: int, holds: Callable[[int], bool], seen: object) -> None:
        """Complain unless *holds* for a number between the two."""
        begun = self.memory[plan.BEGUN + cell]
        if not any(holds(number) for number in range(told, begun + 1)):
            self.wrong(what, f"{seen} is of none of {told}...{begun}")

    def none_twice(self, names: list[str], letter: str, since: dict[int, int]) -> None:
        """Complain of a name that is listed twice, unless it went and came back while the list was read."""
        for name in {name for name in names if names.count(name) > 1}:
            cell = int(name[1:]) if name[0] == letter else None
            if cell is None or self.memory[plan.BEGUN + cell] - since[cell] < 2:
                self.wrong("a name twice", name, names)

    # ---- looks

    def value(self) -> None:
        """An entry's value, whole."""
        cell = self.chance.choice(plan.VALUE_CELLS)
        (told,) = self.told([cell])
        with open(f"{self.top}/values/v{cell}", "rb", buffering=0) as file:
            data = file.read(1 << 16) or b""
        self.expect("value", cell, told, lambda n: data == plan.value_text(n).encode() + b"\n", data[:60])

    def value_size(self) -> None:
        """An entry's size."""
        cell = self.chance.choice(plan.VALUE_CELLS)
        path = f"{self.top}/values/v{cell}"
        self.attribute("size of a value", cell, lambda: os.stat(path).st_size,
                       lambda n: len(plan.value_text(n)) + 1)  # fmt: skip

    def attribute(self, what: str, cell: int, look: Callable[[], int], wanted: Callable[[int], int]) -> None:
        """Something that stat(2) tells.

        Linux fills it from its cache without the lock under which another process's reply changes it, so the
        time until which it may be believed can be the new one and the rest the old (once in a million). What
        is stale at our end stays so at a second look, which must be right.
        """
        for _ in range(2):
            (told,) = self.told([cell])
            seen = look()
            (begun,) = self.begun([cell])
            if any(wanted(number) == seen for number in range(told, begun + 1)):
                return
        self.wrong(what, f"{seen} is of none of {told}...{begun}")

    def content(self) -> None:
        """The pages of a File. Readers share them, so each by itself is of one number.

        While the size is being changed, Linux fills what it has no bytes for with zeros, as on a disk.
        """
        cell = self.chance.choice(plan.FILE_CELLS)
        (told,) = self.told([cell])
        with open(f"{self.top}/files/f{cell}", "rb", buffering=0) as file:
            data = file.read(1 << 16) or b""
        (begun,) = self.begun([cell])
        pages = [data[start : start + plan.PAGE] for start in range(0, len(data), plan.PAGE)]
        for place, page in enumerate(pages):
            if told != begun and place and not page.strip(b"\0"):
                continue
            if not any(page == plan.page_text(number) for number in range(told, begun + 1)):
                self.wrong("page", f"{place} of f{cell}, {page[:25]!r}...{page[-25:]!r}, {told}...{begun}")
        if told == begun and len(pages) != plan.pages_of(told):
            self.wrong("content", f"{len(pages)} pages of f{cell}, number {told}")

    def content_size(self) -> None:
        cell = self.chance.choice(plan.FILE_CELLS)
        path = f"{self.top}/files/f{cell}"
        self.attribute("size of a file", cell, lambda: os.stat(path).st_size,
                       lambda n: plan.pages_of(n) * plan.PAGE)  # fmt: skip

    def content_mode(self) -> None:
        """A File's mode, which is changed after its content: it may be a number behind until it is told."""
        cell = self.chance.choice(plan.FILE_CELLS)
        path = f"{self.top}/files/f{cell}"
        self.attribute("mode of a file", cell, lambda: stat.S_IMODE(os.stat(path).st_mode), plan.file_mode)

    def slot(self) -> None:
        """A child that comes and goes, by name."""
        cell = self.chance.choice(plan.SLOT_CELLS)
        path = f"{self.top}/slots/s{cell}"
        (told,) = self.told([cell])
        try:
            with open(path, "rb", buffering=0) as file:
                seen = file.read(100)
        except FileNotFoundError:
            self.expect("no slot", cell, told, lambda n: n % 2 == 0, f"s{cell}")
        else:
            self.expect("slot", cell, told, lambda n: n % 2 == 1 and seen == b"%d\n" % n, (f"s{cell}", seen))

    def slots(self) -> None:
        """All names of their directory."""
        told = self.told(plan.SLOT_CELLS)
        names = os.listdir(f"{self.top}/slots")
        since_of = dict(zip(plan.SLOT_CELLS, told, strict=True))
        self.none_twice(names, "s", since_of)
        for cell, since in since_of.items():
            there = f"s{cell}" in names
            self.expect("listing", cell, since, lambda n, there=there: n % 2 == there,  # type: ignore[misc]
                        (f"s{cell}", there))  # fmt: skip

    def replaced(self) -> None:
        """A child that is another one all the time, and never away."""
        cell = self.chance.choice(plan.REPLACED_CELLS)
        path = f"{self.top}/kinds/k{cell}"
        (told,) = self.told([cell])
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        self.expect("kind", cell, told, lambda n: kind == plan.KINDS[n % 3], f"{kind:o}")
        (told,) = self.told([cell])
        try:
            seen: Any
            if kind == stat.S_IFLNK:
                seen = os.readlink(path)
            elif kind == stat.S_IFDIR:
                (seen,) = os.listdir(path)
            else:
                with open(path, "rb", buffering=0) as file:
                    seen = (file.read(100) or b"").decode()
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENOENT}:
                raise
            if error.errno == errno.ENOENT and kind == stat.S_IFLNK:
                raise  # the others may have become a link, which leads nowhere
            self.expect("another kind", cell, told, lambda n: kind != plan.KINDS[n % 3], error)
        else:
            self.expect("replaced", cell, told, lambda n: seen == str(n), seen)

    def moved(self) -> None:
        """A directory with a file below, which is in one of two.

        A directory can have one place only in Linux' cache of names: who looks it up at its new one while
        others are at the old one may be answered ESTALE, by Linux itself (`d_splice_alias`). No server can
        prevent that; when the changes are over it must not happen.
        """
        cell = self.chance.choice(plan.MOVED_CELLS)
        side = self.chance.randrange(2)
        (told,) = self.told([cell])
        try:
            with open(f"{self.top}/sides/{side}/m{cell}/inside", "rb", buffering=0) as file:
                seen = file.read(100)
        except FileNotFoundError:
            self.expect("moved away", cell, told, lambda n: n % 2 != side, (cell, side))
        except OSError as error:
            if error.errno != errno.ESTALE or self.memory[plan.PHASE] == plan.SETTLED:
                raise
        else:
            self.expect("moved here", cell, told, lambda n: n % 2 == side, (cell, side))
            if seen != b"moved":
                self.wrong("content of what was moved", seen)

    def moved_listing(self) -> None:
        side = self.chance.randrange(2)
        told = self.told(plan.MOVED_CELLS)
        names = os.listdir(f"{self.top}/sides/{side}")
        since_of = dict(zip(plan.MOVED_CELLS, told, strict=True))
        self.none_twice(names, "m", since_of)
        for cell, since in since_of.items():
            there = f"m{cell}" in names
            self.expect("listing of a side", cell, since,
                        lambda n, there=there: (n % 2 == side) == there, (cell, side, there))  # type: ignore[misc]  # fmt: skip

    def slow(self) -> None:
        """What takes its time, in a directory that changes; a signal may end it."""
        place = self.chance.choice(("values", "slots", "sides/0"))
        self.raising = self.chance.random() < 0.7
        path = f"{self.top}/{place}/slow"
        try:
            size = os.stat(path).st_size
            with open(path, "rb", buffering=0) as file:
                data = file.read(100) or b""
        finally:
            self.raising = False
        if size != len(data) or data != b"slow\n":
            self.wrong("slow", size, data)

    # ---- the whole

    def signalled(self, number: int, frame: FrameType | None) -> None:
        if self.raising:
            raise SignalledError

    def watch(self) -> None:
        signal.signal(signal.SIGALRM, self.signalled)
        signal.setitimer(signal.ITIMER_REAL, 0.003 + self.me * 0.001, 0.003 + self.me * 0.001)
        place = plan.LOOKS + self.me
        while self.memory[plan.PHASE] == plan.RUNNING and self.complaints < ENOUGH:
            # Slow ones are rarer, or nothing else would be looked at.
            look = self.chance.choice(self.looks if self.chance.random() < 0.1 else self.looks[:-1])
            try:
                look()
            except SignalledError:
                pass
            except OSError as error:
                self.wrong(look.__name__, repr(error))
            self.memory[place] += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        while self.memory[plan.PHASE] != plan.SETTLED and self.complaints < ENOUGH:
            time.sleep(0.001)  # eight that only spin would keep the server from telling what is to be told
        for look in self.looks[:-1] * 30 + self.looks[-1:] * 2:
            try:
                look()
            except OSError as error:
                self.wrong(f"at the end, {look.__name__}", repr(error))


def main() -> None:
    memory, top, me = plan.shared(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    watcher = Watcher(memory, top, me)
    print("ready", flush=True)
    watcher.watch()
    print(f"looks {memory[plan.LOOKS + me]}")


if __name__ == "__main__":
    main()
