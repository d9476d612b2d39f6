"""run(): a program whose job is to be a file system.

It serves until the tree is unmounted from outside or a signal asks it to end, and unmounts on every way out.

Signals only put a number into a queue; the main thread takes it out and unmounts in ordinary code.  So a
signal never cuts mounting or unmounting in half.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Literal

from fusetree.mounting.mounted import mount
from fusetree.nodes import BecomesNode, Dir

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_restorers: list[Callable[[], None]] = []


def _after_fork_in_child() -> None:
    """The signals of a forked child are its own: they must not end the parent's mount."""
    for restore in _restorers:
        restore()


os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def caught_signals(into: queue.SimpleQueue[int | None]) -> Iterator[None]:
    """Put each signal that asks a server to end into the queue; the previous handlers come back at the end.

    Signals that are ignored stay ignored (`nohup`, a shell's background job), and so does a handler that C
    code installed, which could not be put back.  Outside the main thread Python allows no handlers, and
    nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    # The kernel gives a signal to any thread that takes it, and Python runs handlers in the main thread only,
    # which may be asleep in `into.get()` then. What C's handler writes here wakes a thread that reads.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    previous: dict[int, Any] = {}

    def forward() -> None:
        while numbers := os.read(reader, 64):
            for caught in numbers:
                if caught in previous:
                    into.put(caught)

    forwarder = threading.Thread(target=forward, name="fusetree-signals", daemon=True)
    forwarder.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)

    _restorers.append(restore)
    try:
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if handler is not None and handler != signal.SIG_IGN:
                previous[number] = handler
                signal.signal(number, _nothing)
        yield
    finally:
        _restorers.remove(restore)
        restore()
        os.close(writer)
        forwarder.join()
        os.close(reader)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Do nothing in Python: what C does is enough."""


def run(
    root: Dir | BecomesNode | Mapping[str, Any],
    mountpoint: str | os.PathLike[str],
    *,
    kernel_cache: bool = True,
    workers: int = 8,
    strict: bool = False,
    coherence_wait: float = 0.1,
    max_cached_nodes: int | None = None,
    locks: Literal["kernel", "program"] = "kernel",
    passthrough: bool | Literal["auto"] = False,
    events: bool = False,
    ro: bool = False,
    allow_other: bool = False,
    default_permissions: bool = True,
    suid: bool = False,
    dev: bool = False,
    fsname: str = "fusetree",
    subtype: str = "fusetree",
    options: str | Iterable[str] = (),
    clear_stale: bool = False,
) -> None:
    """Mount a tree and serve it in the foreground.

    It returns when SIGINT (Ctrl-C), SIGTERM or SIGHUP arrives, or when the tree is unmounted from outside;
    either way nothing is mounted any more.  The handlers that these signals had before are then back.  Called
    from another thread than the main one it handles no signals and returns when the tree is unmounted from
    outside.

    The arguments and errors are those of `mount()`.
    """
    ends: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    with caught_signals(ends):
        with mount(
            root,
            mountpoint,
            kernel_cache=kernel_cache,
            workers=workers,
            strict=strict,
            coherence_wait=coherence_wait,
            max_cached_nodes=max_cached_nodes,
            locks=locks,
            passthrough=passthrough,
            events=events,
            ro=ro,
            allow_other=allow_other,
            default_permissions=default_permissions,
            suid=suid,
            dev=dev,
            fsname=fsname,
            subtype=subtype,
            options=options,
            clear_stale=clear_stale,
        ) as mounted:

            def watch() -> None:
                mounted.wait()
                ends.put(None)

            threading.Thread(target=watch, name="fusetree-watch", daemon=True).start()
            ends.get()
