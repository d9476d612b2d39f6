"""What is measured, between whom, and what it is compared with.

A case is one operation in one setting, run on several contestants in turn.  A goal is a ratio between two
contestants of one case. Three settings: client and server pinned to one core; both free to move; and free
while an application computes in the process of the server.
"""

from __future__ import annotations

import dataclasses

PINNED, FREE, BUSY = "pinned", "free", "busy"

SETTINGS = {
    PINNED: "client and server on one core",
    FREE: "client and server unpinned",
    BUSY: "unpinned, a thread of the server's process computing in Python",
}

_C = ("c", "c-memory")
_OURS = ("handler", "asyncio", "trio", "published", "drop-in")
_PEERS = ("pyfuse3", "mfusepy", "fusepy")
_ANSWERING = ("node", "route", "paths")
_ALL = (*_C, *_OURS, *_PEERS)
_MAKERS = ("c", "c-memory", "handler", "asyncio", "trio", "drop-in", *_PEERS)  # those that can create files

KIB = 1024


@dataclasses.dataclass(frozen=True)
class Case:
    """One operation in one setting; `quick` cases are those that the short run has."""

    key: str
    title: str
    operation: str
    contestants: tuple[str, ...]
    setting: str = PINNED
    size: int = 4 * KIB
    order: str = "seq"
    clients: int = 1
    quick: bool = False

    @property
    def is_transfer(self) -> bool:
        return self.operation in ("read", "write")


def _transfers() -> list[Case]:
    cases = []
    for operation in ("read", "write"):
        for size, label in ((4 * KIB, "4k"), (128 * KIB, "128k"), (KIB * KIB, "1m")):
            for order, word in (("seq", "sequential"), ("rand", "random")):
                text = label.replace("k", " KiB").replace("m", " MiB")
                cases.append(
                    Case(
                        f"{operation}-{label}-{order}",
                        f"{operation} {text}, {word}",
                        operation,
                        (*_ALL, *_ANSWERING) if (operation, label, order) == ("read", "4k", "seq") else _ALL,
                        size=size,
                        order=order,
                        quick=operation == "read" and order == "seq",
                    )
                )
    return cases


def _crowds() -> list[Case]:
    cases = []
    contestants = ("c", "c-memory", "handler", "asyncio", "published", "pyfuse3", "mfusepy")
    for clients in (1, 2, 4, 8):
        who = "1 client" if clients == 1 else f"{clients} clients"
        cases.append(Case(f"free-stat-{clients}", f"stat, {who}", "stat", contestants, FREE, clients=clients))
        cases.append(
            Case(
                f"free-read-{clients}",
                f"read 4 KiB, random, {who}",
                "read",
                contestants,
                FREE,
                order="rand",
                clients=clients,
            )
        )
    return cases


def _rings() -> list[Case]:
    """The same over `/dev/fuse` and over rings: a ring for each core, so nothing is pinned."""
    contestants = ("c-memory", "c-memory-rings", "handler", "handler-rings", "published", "published-rings")
    cases = []
    for clients in (1, 2, 4):
        who = "1 client" if clients == 1 else f"{clients} clients"
        cases += [
            Case(f"rings-stat-{clients}", f"stat, {who}", "stat", contestants, FREE, clients=clients),
            Case(
                f"rings-read-{clients}",
                f"read 4 KiB, random, {who}",
                "read",
                contestants,
                FREE,
                order="rand",
                clients=clients,
            ),
        ]
    busy = ("published", "published-rings")
    return [*cases, Case("rings-busy-read", "read 4 KiB", "read", busy, BUSY)]


def _through() -> list[Case]:
    """Files that the kernel reads and writes by itself, where libfuse has it (passthrough)."""
    contestants = ("c", "handler", "passthrough")
    return [
        Case(
            f"through-{operation}-{label}",
            f"{operation} {text}, the file passed through or not",
            operation,
            contestants,
            size=size,
        )
        for operation in ("read", "write")
        for size, label, text in ((4 * KIB, "4k", "4 KiB"), (KIB * KIB, "1m", "1 MiB"))
    ]


_DEVICES = ("c-memory", "handler", "asyncio", "trio")

_BUSY_CONTESTANTS = ("published", "handler", "asyncio", "pyfuse3", "mfusepy")

CASES: tuple[Case, ...] = (
    Case(
        "stat",
        "stat of a path (LOOKUP, GETATTR)",
        "stat",
        (*_ALL, *_ANSWERING, "hello", "cached", "c-memory-cached"),
        quick=True,
    ),
    Case("fstat", "fstat of an open file (GETATTR)", "fstat", (*_ALL, *_ANSWERING), quick=True),
    Case(
        "lookup-missing",
        "look-up of a name that is not there",
        "lookup-missing",
        (*_ALL, *_ANSWERING, "hello"),
        quick=True,
    ),
    Case(
        "open-read-close",
        "open, read 4 KiB, close",
        "open-read-close",
        (*_ALL, "computed", *_ANSWERING, "hello", "cached", "c-memory-cached"),
        quick=True,
    ),
    Case("readdir", "list a directory of 1,000", "readdir", (*_ALL, "cached", "c-memory-cached"), quick=True),
    Case("walk", "walk 1,000 files with a stat of each", "walk", (*_ALL, "cached", "c-memory-cached")),
    Case("create-unlink", "create, close and unlink a file", "create-unlink", _MAKERS),
    Case("lock", "lock and unlock a byte (two SETLK)", "lock", _DEVICES),
    Case("lseek", "seek for data (LSEEK)", "lseek", ("c", *_DEVICES)),
    Case("ioctl", "ioctl without data", "ioctl", _DEVICES),
    *_transfers(),
    *_crowds(),
    *_rings(),
    *_through(),
    Case("busy-stat", "stat of a path", "stat", _BUSY_CONTESTANTS, BUSY, quick=True),
    Case("busy-read", "read 4 KiB", "read", _BUSY_CONTESTANTS, BUSY, quick=True),
    Case(
        "busy-open-read-close",
        "open, read 4 KiB, close",
        "open-read-close",
        (*_BUSY_CONTESTANTS, "computed"),
        BUSY,
    ),
)


@dataclasses.dataclass(frozen=True)
class Goal:
    """*subject* should do at least *figure* times as many operations a second as *against* in the case."""

    case: str
    subject: str
    against: str
    figure: float
    needs_python: tuple[int, int] = (3, 10)  # below that the goal is not set


def _goals() -> list[Goal]:
    goals = []
    for case, times in (("stat", 8), ("read-4k-seq", 5)):
        goals += [
            Goal(case, "handler", "c", 0.85),
            Goal(case, "handler", "pyfuse3", times),
            Goal(case, "handler", "mfusepy", 1.8),
        ]
    for case in ("stat", "lookup-missing", "open-read-close", "read-4k-seq"):
        goals += [Goal(case, "published", "c", 1.0), Goal(case, "published", "c-memory", 0.95)]
    goals += [
        Goal("open-read-close", "computed", "c", 0.5),
        Goal("open-read-close", "computed", "pyfuse3", 4),
    ]
    # A request by route or by path costs at most 1.3 of the same on a node that answers by itself.
    for case in ("stat", "fstat", "open-read-close", "read-4k-seq"):
        goals += [Goal(case, subject, "node", 1 / 1.3) for subject in ("route", "paths")]
    for backend in ("asyncio", "trio"):
        goals += [
            Goal("stat", backend, "pyfuse3", 4, (3, 12)),
            Goal("read-4k-seq", backend, "pyfuse3", 3, (3, 12)),
        ]
    for case in ("read-128k-seq", "read-1m-seq"):
        goals += [Goal(case, "handler", "c", 1.0), Goal(case, "published", "c", 1.0)]
    goals += [Goal("busy-stat", "published", "pyfuse3", 80), Goal("busy-read", "published", "pyfuse3", 80)]
    return goals


GOALS: tuple[Goal, ...] = tuple(_goals())
