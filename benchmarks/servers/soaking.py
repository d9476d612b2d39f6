"""Servers that `benchmarks.soak` runs for long: `python -m benchmarks.servers.soaking MODE MOUNTPOINT`.

declared    a declared tree whose program changes it all the time: values, children, links
devices     lowlevel.Operations with ioctl, poll, locks and notifications, called from another thread
asyncio     coroutines that wait, and some of them are interrupted
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import fcntl
import itertools
import os
import select
import signal
import stat
import threading
from collections.abc import Callable
from typing import Any

from fusetree import Dir, File, Symlink, action, computed, entry, lowlevel, mount, node
from fusetree.lowlevel import ROOT_INODE, EntryAttributes, FileInfo, RequestContext

FILE = 2
NAME = b"file"
SEVEN = ord("f") << 8 | 4  # _IO('f', 4)


@node
class Live(Dir):
    """State that never rests."""

    counter: int = entry(0)
    setting: str = entry("a")
    document: dict[str, int] = entry(factory=dict)

    @computed
    def made(self) -> str:
        return "x" * 10_000

    @action
    def act(self, word: str) -> None:
        if word == "bad":
            raise ValueError(word)


def _change(root: Live, stop: threading.Event) -> None:
    for number in itertools.count():
        if stop.wait(0.001):
            return
        root.counter = number
        name = f"child{number % 50}"
        kind = number % 4
        if kind == 0:
            root[name] = File(b"x" * (number % 5000))
        elif kind == 1:
            root[name] = Symlink(f"child{number % 7}")
        elif kind == 2:
            root[name] = Dir({"a": "b", "c": {"d": "e"}})
        elif name in root:
            del root[name]


def declared(mountpoint: str) -> None:
    """Serve a tree that changes until a signal comes."""
    root, stop = Live(), threading.Event()
    with mount(root, mountpoint) as mounted:
        signal.signal(signal.SIGTERM, lambda *_: mounted.close())
        thread = threading.Thread(target=_change, args=(root, stop))
        thread.start()
        try:
            mounted.wait()
        finally:
            stop.set()
            thread.join()


class OneFile(lowlevel.Operations):
    """A root with one file."""

    def attributes(self, inode: int) -> EntryAttributes:
        """What every handler says of *inode*."""
        attributes = EntryAttributes()
        attributes.st_ino = inode
        attributes.attr_timeout = attributes.entry_timeout = 0
        attributes.st_mode = stat.S_IFDIR | 0o777 if inode == ROOT_INODE else stat.S_IFREG | 0o666
        return attributes

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        if name != NAME:
            raise FileNotFoundError
        return self.attributes(FILE)

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        return self.attributes(inode)

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        return FileInfo(fh=inode, direct_io=True)


class Devices(OneFile):
    """Every file is always about to be ready."""

    def __init__(self) -> None:
        self.handles: dict[int, lowlevel.PollHandle] = {}
        self.ready = 0

    def ioctl(
        self,
        inode: int,
        fh: int,
        command: int,
        argument: int,
        data: bytes,
        out_size: int,
        flags: int,
        ctx: RequestContext,
    ) -> int:
        if command != SEVEN:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        return 7

    def poll(
        self, inode: int, fh: int, events: int, handle: lowlevel.PollHandle | None, ctx: RequestContext
    ) -> int:
        if handle is not None:
            self.handles[fh] = handle
        return self.ready & events

    def flock(self, inode: int, fh: int, operation: int, ctx: RequestContext) -> None:
        if operation & fcntl.LOCK_EX:
            raise BlockingIOError


def devices(mountpoint: str) -> None:
    """Serve, and notify from another thread, until a signal comes."""
    operations, stop = Devices(), threading.Event()
    with lowlevel.Session(operations, mountpoint, ["fsname=soaking"]) as session:
        signal.signal(signal.SIGTERM, lambda *_: session.stop())
        session.start()

        def notify() -> None:
            while not stop.wait(0.001):
                operations.ready ^= select.POLLIN
                for handle in list(operations.handles.values()):
                    handle.notify()
                with contextlib.suppress(FileNotFoundError):  # the kernel does not know it, or any more
                    session.invalidate_inode(FILE)
                with contextlib.suppress(FileNotFoundError):
                    session.invalidate_entry(ROOT_INODE, NAME)

        thread = threading.Thread(target=notify)
        thread.start()
        try:
            session.wait()
        finally:
            stop.set()
            thread.join()


class Waiting(OneFile):
    """A read takes as many milliseconds as its offset says."""

    async def lookup(  # type: ignore[override]
        self, parent_inode: int, name: bytes, ctx: RequestContext
    ) -> EntryAttributes:
        return super().lookup(parent_inode, name, ctx)

    async def read(self, fh: int, off: int, size: int) -> bytes:  # type: ignore[override]
        await asyncio.sleep(off / 1000)
        return b"x"


def in_asyncio(mountpoint: str) -> None:
    """Serve in a loop until a signal comes."""

    async def main() -> None:
        with lowlevel.Session(Waiting(), mountpoint, ["fsname=soaking"]) as session:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, session.stop)
            await session.serve()

    asyncio.run(main())


MODES: dict[str, Callable[[str], None]] = {"declared": declared, "devices": devices, "asyncio": in_asyncio}


def main(given: Any = None) -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers.soaking")
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("mountpoint")
    arguments = parser.parse_args(given)
    MODES[arguments.mode](arguments.mountpoint)


if __name__ == "__main__":
    main()
