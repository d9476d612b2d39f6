"""Differential: one set of scenarios on the original library and on ours; what the client sees must be the
same.

Skipped where the originals are not installed; ``make test-dropins`` installs them.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.compat.running import (
    TERM,
    Ending,
    by_itself,
    client,
    original,
    ours,
    run,
    signalled,
    unmounted,
    unmounted_if_there,
)
from tests.support import shell

CASES = [
    ("llfuse", ()),
    ("llfuse", ("--workers", "1")),
    ("llfuse", ("--no-permissions",)),
    ("llfuse", ("--bare",)),
    ("llfuse", ("--background",)),
    ("pyfuse3", ()),
    ("pyfuse3", ("--no-permissions",)),
    ("pyfuse3", ("--bare",)),
    ("pyfuse3", ("--background",)),
    ("pyfuse3", ("--asyncio",)),
]


def without_known_bugs(report: dict[str, Any]) -> dict[str, Any]:
    """*report* without what the originals do by mistake."""
    calls = report["calls"]
    if "getxattr" in calls:
        # llfuse calls getxattr without its ctx before a setxattr with flags.
        calls["getxattr"] = [types for types in calls["getxattr"] if types != "int bytes"]
    # pyfuse3 never calls stacktrace.
    report["events"] = [event for event in report["events"] if event != "stacktrace"]
    return report


@pytest.mark.mount
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[" ".join((n, *a)) for n, a in CASES])
@pytest.mark.parametrize("end", [unmounted, signalled(TERM)], ids=["umount", "TERM"])
def test_the_same_is_seen(name: str, arguments: tuple[str, ...], end: Ending, mountpoint: Path) -> None:
    program = f"{name}_memory.py"
    if "--background" in arguments and end is not unmounted:
        pytest.skip("the process that gets the signal is gone")
    theirs = run(original(name), program, *arguments, mountpoint=mountpoint, end=end)
    own = run(ours(name), program, *arguments, mountpoint=mountpoint, end=end)
    assert own.seen == theirs.seen
    assert without_known_bugs(own.report) == without_known_bugs(theirs.report)


@pytest.mark.mount
@pytest.mark.parametrize("bug", ["bug-oserror", "bug-value", "bug-none"])
@pytest.mark.parametrize("name", ["llfuse", "pyfuse3"])
def test_a_mistake_ends_main_alike(name: str, bug: str, mountpoint: Path) -> None:
    # Not under asyncio, where the original answers never and its client cannot even be killed.
    def use(mounted: Path) -> dict[str, Any]:
        try:
            os.stat(mounted / bug)
        except OSError as error:
            return {"errno": error.errno}
        return {}

    program = f"{name}_memory.py"
    # Threads of the original llfuse may go on waiting until the device is gone.
    theirs = run(original(name), program, mountpoint=mountpoint, use=use, end=unmounted_if_there)
    own = run(ours(name), program, mountpoint=mountpoint, use=use, end=by_itself)
    assert own.report["main"] == theirs.report["main"]
    # The original pyfuse3 lets the caller wait until the connection is cut.
    assert own.seen["errno"] == errno.EIO
    assert theirs.seen["errno"] == (errno.EIO if name == "llfuse" else errno.ECONNABORTED)


ASK = """
import copy, inspect, json, os, sys
import {name} as module

def described(value):
    if isinstance(value, (int, str, bytes)):
        return repr(value)
    if isinstance(value, frozenset):
        return repr(sorted(value))
    if callable(value) and not isinstance(value, type):
        signature = inspect.signature(value)
        defaults = [p.default for p in signature.parameters.values()]
        shown = [repr(d) if not isinstance(d, frozenset) else "..." for d in defaults]
        return [list(signature.parameters), shown]
    return "there"

def tried(function):
    try:
        return repr(function())
    except Exception as error:
        return [type(error).__name__, str(error)]

def kind(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__

out = {{"names": {{}}}}
for name in {names}:
    out["names"][name] = described(getattr(module, name))
a = module.EntryAttributes()
names = ["st_ino", "generation", "entry_timeout", "attr_timeout", "st_mode", "st_nlink", "st_uid", "st_gid",
         "st_rdev", "st_size", "st_blksize", "st_blocks", "st_atime_ns", "st_mtime_ns", "st_ctime_ns",
         "st_birthtime_ns"]
out["attributes"] = [getattr(a, n) for n in names]
values = [0, 1, -1, 1.5, "x", None, 2**31, 2**32, 2**63, 2**64, b""]
def put(target, name, value):
    setattr(target, name, value)
    return getattr(target, name)
# Which exception, where the value is refused.  Text and None are refused everywhere.
out["setting"] = {{n: [kind(lambda: put(module.EntryAttributes(), n, v)) for v in values] for n in names}}
a.st_ino, a.st_size, a.st_atime_ns = 5, 6, 7
b = copy.copy(a)
out["copied"] = [getattr(b, n) for n in names]
out["extra"] = kind(lambda: setattr(a, "other", 1))
s = module.StatvfsData()
out["statvfs"] = sorted(n for n in dir(s) if n.startswith("f_"))
e = module.FUSEError(2)
out["error"] = [str(e), e.errno, e.errno_, e.args, isinstance(e, OSError), copy.copy(e).errno,
                kind(lambda: module.FUSEError()), kind(lambda: module.FUSEError("x")), kind(lambda:
                module.FUSEError(1, 2)), kind(lambda: setattr(e, "errno", 3))]
for cls in (module.RequestContext, module.SetattrFields):
    out[cls.__name__] = [kind(lambda: copy.copy(cls()))]
c = module.RequestContext()
out["context"] = [c.uid, c.gid, c.pid, c.umask, kind(lambda: setattr(c, "uid", 1))]
out["host"] = [kind(lambda: module.listdir(b"/")), tried(lambda: module.getxattr("/", "user.none"))[:1],
               kind(lambda: module.setxattr("/", "user.x", "text")),
               kind(lambda: module.setxattr("/", "user.x", b"", namespace="other")),
               kind(lambda: module.getxattr("/", "user.x", namespace="other")),
               sorted(module.get_sup_groups(os.getpid())), sorted(module.listdir("/usr")),
               kind(lambda: module.get_sup_groups(99999999))]
out["mount"] = [kind(lambda: module.init(module.Operations(), b"/tmp"))]
json.dump(out, sys.stdout)
"""
LLFUSE = [
    "ENOATTR", "EntryAttributes", "FUSEError", "Lock", "NoLockManager", "Operations", "ROOT_INODE",
    "RequestContext", "SetattrFields", "StatvfsData", "_NANOS_PER_SEC", "__version__", "close",
    "default_options", "get_ino_t_bits", "get_off_t_bits", "get_sup_groups", "getxattr", "init",
    "invalidate_entry", "invalidate_inode", "listdir", "lock", "lock_released", "log", "main",
    "notify_store", "setxattr",
]  # fmt: skip
PYFUSE3 = [
    "ENOATTR", "EntryAttributes", "FUSEError", "FileHandleT", "FileInfo", "FileNameT", "FlagT", "InodeT",
    "ModeT", "Operations", "PollHandle", "RENAME_EXCHANGE", "RENAME_NOREPLACE", "ROOT_INODE",
    "ReaddirToken", "RequestContext", "SetattrFields", "StatvfsData", "XAttrNameT", "_NANOS_PER_SEC",
    "__version__", "async_wrapper", "close", "default_options", "get_sup_groups", "getxattr", "init",
    "invalidate_entry", "invalidate_entry_async", "invalidate_inode", "listdir", "log", "main",
    "notify_store", "readdir_reply", "setxattr", "syncfs", "terminate", "trio", "trio_token",
]  # fmt: skip


@pytest.mark.parametrize(("name", "names"), [("llfuse", LLFUSE), ("pyfuse3", PYFUSE3)])
def test_names_signatures_and_values_are_the_same(name: str, names: list[str], tmp_path: Path) -> None:
    ask = tmp_path / "ask.py"
    ask.write_text(ASK.format(name=name, names=names))
    theirs, own = (
        json.loads(shell(f"{' '.join(command)} {ask}").ok().out) for command in (original(name), ours(name))
    )
    for part, answer in theirs.items():
        assert own[part] == answer, part


def test_a_client_of_the_scenarios_sees_nothing_wrong_in_a_real_directory(tmp_path: Path) -> None:
    seen = client(tmp_path, "content", "opening", "names", "listings")
    assert not [entry for entries in seen.values() for entry in entries if "Traceback" in str(entry)]
