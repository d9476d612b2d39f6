"""fusetree in each of its modes: `python -m benchmarks.servers.ours MODE SOURCE MOUNTPOINT [--burn]
[--workers N]`.

    passthrough    as handler, but the kernel reads and writes the files of SOURCE by itself
    handler-rings, published-rings    as these, with requests over rings (io_uring)
    handler     lowlevel.Operations with ordinary handlers (servers/handlers.py)
    asyncio     the same handlers as coroutines, in an asyncio loop
    trio        the same, in a trio loop
    published   a declared tree, kernel_cache=False: everything is answered from what was published
    cached      a declared tree as mount() serves it: the kernel caches it until it changes
    computed    a declared tree whose `small` is made by a function at each open, kernel_cache=False
    node        nodes that answer by themselves (servers/answering.py), kernel_cache=False
    route       the same by a Router
    paths       the same by PathOperations

It speaks JSON on standard output, one line for each line of standard input that it reads: `memory` answers
the resident bytes, `collect` those after garbage was collected, `statistics` the numbers of the inode table;
`burn` and `calm` begin and end a computation that keeps the GIL for a second at a time.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks import content
from benchmarks.servers import answering, burning, handlers

MODES = (
    "handler", "asyncio", "trio", "published", "cached", "computed", "passthrough", "handler-rings",
    "published-rings", *answering.MADE,
)  # fmt: skip


def unavailable() -> dict[str, str]:
    """The modes that this fusetree cannot serve, and why not."""
    from fusetree import lowlevel

    why: dict[str, str] = {}
    if not hasattr(lowlevel.Session, "serve"):
        why = dict.fromkeys(("asyncio", "trio"), "this fusetree has no Session.serve()")
    features: Any = getattr(lowlevel, "features", dict)()
    for feature, modes in (
        ("passthrough", ("passthrough",)),
        ("io_uring", ("handler-rings", "published-rings")),
    ):
        if feature not in features or not features[feature].compiled:
            why |= dict.fromkeys(modes, f"libfuse has no {feature}: make bench-libfuse")
    return why


def resident_bytes() -> int:
    """What this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def _answer_questions(statistics: Callable[[], Any]) -> None:
    for line in sys.stdin:
        question = line.strip()
        answer: Any
        if question == "collect":
            gc.collect()
            answer = resident_bytes()
        elif question == "memory":
            answer = resident_bytes()
        elif question == "statistics":
            answer = statistics()
        elif question == "burn":
            burning.start(switch_interval=1.0)
            answer = True
        elif question == "calm":
            burning.stop()
            answer = True
        else:
            answer = f"what is {question!r}?"
        print(json.dumps(answer), flush=True)


def _in_background(statistics: Callable[[], Any]) -> None:
    threading.Thread(target=_answer_questions, args=(statistics,), name="questions", daemon=True).start()


def _serve_handlers(tree: content.Tree, mountpoint: str, workers: int) -> None:
    from fusetree import lowlevel

    operations = handlers.sync_operations(lowlevel, tree)
    with lowlevel.Session(operations, mountpoint, ["fsname=fusetree"]) as session:
        _in_background(dict)
        session.run(workers=workers)


def _serve_passing(tree: content.Tree, source: str, mountpoint: str, workers: int) -> None:
    from fusetree import lowlevel

    operations = handlers.passing_operations(lowlevel, tree, source)
    options = lowlevel.SessionOptions(fsname="fusetree", passthrough=True)
    with lowlevel.Session(operations, mountpoint, options) as session:
        operations.session = session
        _in_background(dict)
        session.run(workers=workers)


def _serve_rings(tree: content.Tree, mountpoint: str, mode: str) -> None:
    from fusetree import lowlevel
    from fusetree.adapter import NodeOperations

    operations: Any
    if mode == "handler-rings":
        operations = handlers.sync_operations(lowlevel, tree)
    else:
        operations = NodeOperations(declared(tree), kernel_cache=False)
    options = lowlevel.SessionOptions(fsname="fusetree", io_uring=True)
    with lowlevel.Session(operations, mountpoint, options) as session:
        _in_background(dict)
        session.run()


def _serve_loop(tree: content.Tree, mountpoint: str, backend: str) -> None:
    from fusetree import lowlevel

    operations = handlers.async_operations(lowlevel, tree)
    with lowlevel.Session(operations, mountpoint, ["fsname=fusetree"]) as session:
        _in_background(dict)
        serve: Any = session.serve  # type: ignore[attr-defined,unused-ignore]  # not there in every version
        loop = importlib.import_module(backend)
        loop.run(serve() if backend == "asyncio" else serve)  # trio takes the function, asyncio its coroutine


def declared(tree: content.Tree, *, compute: bool = False) -> Any:
    """*tree* as nodes: directories, and files of bytes; what is written is writable."""
    from fusetree import Dir, File

    children: dict[str, Any] = {}
    for name, entry in tree.items():
        if isinstance(entry, dict):
            children[name] = declared(entry)
        elif compute and name == "small":
            children[name] = lambda made=entry: made
        else:
            children[name] = File(entry, mode=0o644 if name == "sink" else 0o444)
    return Dir(children)


def mounted(tree: content.Tree, mountpoint: str, mode: str, workers: int) -> AbstractContextManager[Any]:
    """The declared tree, mounted; the kernel checks no permissions, as with the other servers."""
    from fusetree import mount

    made = answering.MADE.get(mode)
    return mount(
        declared(tree, compute=mode == "computed") if made is None else made(tree),
        mountpoint,
        kernel_cache=mode == "cached",
        workers=workers,
        default_permissions=False,
    )


def _end(number: int, frame: Any) -> None:
    raise SystemExit  # out of the wait, through the end of the mount


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("source")
    parser.add_argument("mountpoint")
    parser.add_argument("--burn", action="store_true")
    parser.add_argument("--workers", type=int, default=8)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    tree = content.load(arguments.source)
    if arguments.burn:
        burning.start()
    if arguments.mode == "handler":
        _serve_handlers(tree, arguments.mountpoint, arguments.workers)
    elif arguments.mode == "passthrough":
        _serve_passing(tree, arguments.source, arguments.mountpoint, arguments.workers)
    elif arguments.mode.endswith("-rings"):
        _serve_rings(tree, arguments.mountpoint, arguments.mode)
    elif arguments.mode in ("asyncio", "trio"):
        _serve_loop(tree, arguments.mountpoint, arguments.mode)
    else:
        with mounted(tree, arguments.mountpoint, arguments.mode, arguments.workers) as mount:
            _in_background(lambda: statistics_of(mount))
            mount.wait()


def statistics_of(mount: Any) -> dict[str, int]:
    """The numbers of the inode table of *mount*."""
    numbers = mount.session.operations.inode_table.statistics()
    names = [name for name in dir(numbers) if not name.startswith("_")]
    return {name: getattr(numbers, name) for name in names if isinstance(getattr(numbers, name), int)}


if __name__ == "__main__":
    main()
