"""Who takes part: each server under test, how it is started, and which operations it has."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable

from benchmarks import building
from benchmarks.servers import ours

READING = frozenset({"stat", "fstat", "lookup-missing", "open-read-close", "readdir", "walk", "read"})
WRITING = frozenset({"write"})
CREATING = frozenset({"create-unlink"})
DEVICE = frozenset({"lock", "lseek", "ioctl"})


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One server.

    `command(source, mountpoint, threads, burn)` is what to run, or raises `building.UnavailableError`;
    *threads* says that it may use more than one core, *burn* that an application computes in the same
    process.
    """

    key: str
    title: str
    operations: frozenset[str]
    command: Callable[[str, str, bool, bool], list[str]]
    whole_tree: bool = True  # hello_ll has its one file only


def _passthrough(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
    options = f"source={source},cache=never,timeout=0,fsname=passthrough_ll"
    return [str(building.passthrough_ll()), "-f", *([] if threads else ["-s"]), "-o", options, mountpoint]


def _hello(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
    return [str(building.hello_ll()), "-f", *([] if threads else ["-s"]), "-o", "fsname=hello_ll", mountpoint]


def _memory(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
    return [str(building.memory_ll()), source, mountpoint]


def _memory_cached(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
    return [str(building.memory_ll()), source, mountpoint, "--cached"]


def _memory_rings(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
    why = ours.unavailable().get("handler-rings")
    if why:
        raise building.UnavailableError(why)
    return [str(building.memory_ll()), source, mountpoint, "--rings"]


def _burning(burn: bool) -> list[str]:
    return ["--burn"] if burn else []


def _pyfuse3(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
    python = str(building.binding("pyfuse3"))
    return [python, "-m", "benchmarks.servers.pyfuse3_trio", source, mountpoint, *_burning(burn)]


def _drop_in(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
    program = ["-m", "benchmarks.servers.pyfuse3_trio", source, mountpoint, *_burning(burn)]
    return [sys.executable, "-m", "fusetree.compat", "pyfuse3", *program]


def _paths(package: str) -> Callable[[str, str, bool, bool], list[str]]:
    def command(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
        python = str(building.binding(package))
        threaded = ["--threads"] if threads else []
        program = f"benchmarks.servers.{package}_paths"
        return [python, "-m", program, source, mountpoint, *threaded, *_burning(burn)]

    return command


def _ours(mode: str) -> Callable[[str, str, bool, bool], list[str]]:
    def command(source: str, mountpoint: str, threads: bool, burn: bool) -> list[str]:
        try:
            why = ours.unavailable().get(mode)
        except ImportError as error:
            raise building.UnavailableError(f"fusetree cannot be imported: {error}") from error
        if why:
            raise building.UnavailableError(why)
        return [sys.executable, "-m", "benchmarks.servers.ours", mode, source, mountpoint, *_burning(burn)]

    return command


CONTESTANTS = {
    contestant.key: contestant
    for contestant in (
        Contestant("c", "C, passthrough_ll", READING | WRITING | CREATING | {"lseek"}, _passthrough),
        Contestant("c-memory", "C, from memory", READING | WRITING | CREATING | DEVICE, _memory),
        Contestant("c-memory-cached", "C, from memory, cached", READING, _memory_cached),
        Contestant("c-memory-rings", "C, from memory, over rings", READING, _memory_rings),
        Contestant(
            "hello",
            "C, hello_ll",
            frozenset({"stat", "lookup-missing", "open-read-close"}),
            _hello,
            whole_tree=False,
        ),
        Contestant(
            "handler", "fusetree, sync handler", READING | WRITING | CREATING | DEVICE, _ours("handler")
        ),
        Contestant(
            "asyncio", "fusetree, asyncio handler", READING | WRITING | CREATING | DEVICE, _ours("asyncio")
        ),
        Contestant("trio", "fusetree, trio handler", READING | WRITING | CREATING | DEVICE, _ours("trio")),
        Contestant("published", "fusetree, declared, published", READING | WRITING, _ours("published")),
        Contestant(
            "handler-rings", "fusetree, sync handler, over rings", READING | WRITING, _ours("handler-rings")
        ),
        Contestant("published-rings", "fusetree, published, over rings", READING, _ours("published-rings")),
        Contestant("passthrough", "fusetree, passed through", READING | WRITING, _ours("passthrough")),
        Contestant("cached", "fusetree, declared, cached", READING, _ours("cached")),
        Contestant(
            "computed", "fusetree, computed file", frozenset({"open-read-close", "stat"}), _ours("computed")
        ),
        Contestant("node", "fusetree, nodes that answer", READING | WRITING, _ours("node")),
        Contestant("route", "fusetree, Router", READING, _ours("route")),
        Contestant("paths", "fusetree, PathOperations", READING | WRITING | CREATING, _ours("paths")),
        Contestant("drop-in", "fusetree.compat, pyfuse3's program", READING | WRITING | CREATING, _drop_in),
        Contestant("pyfuse3", "pyfuse3, trio", READING | WRITING | CREATING, _pyfuse3),
        Contestant("mfusepy", "mfusepy", READING | WRITING | CREATING, _paths("mfusepy")),
        Contestant("fusepy", "fusepy", READING | WRITING | CREATING, _paths("fusepy")),
    )
}
