"""Names, signatures and values of the drop-ins, one by one, as programs rely on them; without the originals.

`test_originals` asks the originals themselves, where they are.
"""

from __future__ import annotations

import asyncio
import copy
import errno
import inspect
import logging
import pickle
import stat
from collections.abc import Callable
from typing import Any

import pytest

from fusetree.compat import llfuse, pyfuse3

#: Functions and handlers, each with its parameters; "=" has a default.
LLFUSE = {
    "close": "unmount=True",
    "get_ino_t_bits": "",
    "get_off_t_bits": "",
    "get_sup_groups": "pid",
    "getxattr": "path name size_guess=128 namespace='user'",
    "init": "ops mountpoint options=default_options",
    "invalidate_entry": "inode_p name",
    "invalidate_inode": "inode attr_only=False",
    "listdir": "path",
    "main": "workers=None handle_signals=True",
    "notify_store": "inode offset data",
    "setxattr": "path name value namespace='user'",
    "Lock.acquire": "timeout=None",
    "Lock.release": "",
    "Lock.yield_": "count=1",
}
PYFUSE3 = {
    "async_wrapper": "fn",
    "close": "unmount=True",
    "get_sup_groups": "pid",
    "getxattr": "path name size_guess=128 namespace='user'",
    "init": "ops mountpoint options=default_options",
    "invalidate_entry": "inode_p name deleted=0",
    "invalidate_entry_async": "inode_p name deleted=0 ignore_enoent=False",
    "invalidate_inode": "inode attr_only=False",
    "listdir": "path",
    "main": "min_tasks=1 max_tasks=99",
    "notify_store": "inode offset data",
    "readdir_reply": "token name attr next_id",
    "setxattr": "path name value namespace='user'",
    "syncfs": "path",
    "terminate": "",
}
BOTH = {
    "init": "",
    "stacktrace": "",
    "lookup": "parent_inode name ctx",
    "forget": "inode_list",
    "getattr": "inode ctx",
    "setattr": "inode attr fields fh ctx",
    "readlink": "inode ctx",
    "mknod": "parent_inode name mode rdev ctx",
    "mkdir": "parent_inode name mode ctx",
    "unlink": "parent_inode name ctx",
    "rmdir": "parent_inode name ctx",
    "symlink": "parent_inode name target ctx",
    "link": "inode new_parent_inode new_name ctx",
    "open": "inode flags ctx",
    "create": "parent_inode name mode flags ctx",
    "read": "fh off size",
    "write": "fh off buf",
    "flush": "fh",
    "release": "fh",
    "fsync": "fh datasync",
    "opendir": "inode ctx",
    "releasedir": "fh",
    "fsyncdir": "fh datasync",
    "statfs": "ctx",
    "setxattr": "inode name value ctx",
    "getxattr": "inode name ctx",
    "listxattr": "inode ctx",
    "removexattr": "inode name ctx",
    "access": "inode mode ctx",
}
HANDLERS = {
    "llfuse": {
        **BOTH,
        "destroy": "",
        "rename": "parent_inode_old name_old parent_inode_new name_new ctx",
        "readdir": "fh off",
    },
    "pyfuse3": {
        **BOTH,
        "rename": "parent_inode_old name_old parent_inode_new name_new flags ctx",
        "readdir": "fh start_id token",
        "poll": "inode fh poll_handle ctx",
    },
}
#: Handlers that do nothing, and no async ones, in pyfuse3.
QUIET = {"init", "destroy", "forget"}
PLAIN = {"init", "stacktrace"}

#: Further names, with the value where it is a constant.
CONSTANTS = {
    "ENOATTR": errno.ENODATA,
    "ROOT_INODE": 1,
    "_NANOS_PER_SEC": 10**9,
}
CLASSES = ["EntryAttributes", "FUSEError", "Operations", "RequestContext", "SetattrFields", "StatvfsData"]
MODULES = [llfuse, pyfuse3]


def parameters(function: Any) -> str:
    """The parameters of *function*, without ``self``, written as in the tables above."""
    words = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self":
            continue
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD, name
        default = parameter.default
        if default is parameter.empty:
            words.append(name)
        elif isinstance(default, frozenset):
            words.append(f"{name}=default_options")
        else:
            words.append(f"{name}={default!r}")
    return " ".join(words)


def called(function: Any, *arguments: Any) -> Any:
    """What *function* returns, awaited if it is to be."""
    answer = function(*arguments)
    if not inspect.iscoroutine(answer):
        return answer

    async def awaited() -> Any:
        return await answer

    return asyncio.run(awaited())


@pytest.mark.parametrize(
    ("module", "name", "wanted"),
    [(llfuse, *item) for item in LLFUSE.items()] + [(pyfuse3, *item) for item in PYFUSE3.items()],
)
def test_signatures_of_functions(module: Any, name: str, wanted: str) -> None:
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    assert parameters(found) == wanted


@pytest.mark.parametrize(("module", "name"), [(m, n) for m in MODULES for n in HANDLERS[m.log.name]])
def test_handlers(module: Any, name: str) -> None:
    handler = getattr(module.Operations(), name)
    wanted = HANDLERS[module.log.name][name]
    assert parameters(handler) == wanted
    assert inspect.iscoroutinefunction(handler) == (module is pyfuse3 and name not in PLAIN)
    if name == "stacktrace":
        return
    arguments = [None for _ in wanted.split()]
    if name in QUIET:
        assert called(handler, *arguments) is None
    else:
        with pytest.raises(module.FUSEError) as caught:
            called(handler, *arguments)
        assert caught.value.errno == errno.ENOSYS


@pytest.mark.parametrize("module", MODULES)
def test_no_handler_is_missing_and_none_is_surplus(module: Any) -> None:
    found = {name for name in dir(module.Operations) if not name.startswith("_")}
    settings = {"supports_dot_lookup", "enable_writeback_cache", "enable_acl"} if module is pyfuse3 else set()
    assert found == {*HANDLERS[module.log.name], *settings}


@pytest.mark.parametrize("module", MODULES)
def test_constants_and_classes(module: Any) -> None:
    for name, value in CONSTANTS.items():
        assert getattr(module, name) == value
    assert all(isinstance(getattr(module, name), type) for name in CLASSES)
    assert isinstance(module.__version__, str)
    assert module.log is logging.getLogger(module.__name__.rpartition(".")[2])
    assert set(module.__all__) <= set(dir(module))


def test_what_only_one_of_them_has() -> None:
    assert llfuse.default_options == {
        "big_writes", "default_permissions", "no_splice_read", "splice_write", "splice_move",
    }  # fmt: skip
    assert pyfuse3.default_options == {"default_permissions"}
    assert (pyfuse3.RENAME_NOREPLACE, pyfuse3.RENAME_EXCHANGE) == (1, 2)
    assert {pyfuse3.FileHandleT, pyfuse3.FlagT, pyfuse3.InodeT, pyfuse3.ModeT} == {int}
    assert {pyfuse3.FileNameT, pyfuse3.XAttrNameT} == {bytes}
    operations = pyfuse3.Operations
    settings = (operations.supports_dot_lookup, operations.enable_writeback_cache, operations.enable_acl)
    assert settings == (True, False, False)
    absent = ["syncfs", "terminate", "readdir_reply", "invalidate_entry_async", "trio_token", "FileInfo"]
    assert not [name for name in (*absent, "RENAME_EXCHANGE", "InodeT") if hasattr(llfuse, name)]
    assert not [
        name for name in ("lock", "lock_released", "get_ino_t_bits", "Lock") if hasattr(pyfuse3, name)
    ]


def test_what_older_programs_import() -> None:
    from fusetree.compat.pyfuse3 import _pyfuse3

    assert _pyfuse3.Operations is pyfuse3.Operations
    assert _pyfuse3.FUSEError is pyfuse3.FUSEError
    assert _pyfuse3.log is logging.getLogger("pyfuse3._pyfuse3")


# ---- values


@pytest.mark.parametrize("module", MODULES)
def test_attributes(module: Any) -> None:
    entry = module.EntryAttributes()
    state = entry.__getstate__()
    ones = {"st_nlink": 1, "entry_timeout": 300.0, "attr_timeout": 300.0, "st_blksize": 4096}
    wanted = dict.fromkeys(state, 0) | ones | {"st_mode": stat.S_IFREG}
    assert state == wanted
    assert len(state) == 16
    entry.st_atime_ns = 1438467123.985654 * 1e9  # floats come from time() * 1e9
    assert entry.st_atime_ns == int(1438467123.985654 * 1e9)
    entry.st_mtime_ns = -1
    assert copy.copy(entry).st_mtime_ns == pickle.loads(pickle.dumps(entry)).st_mtime_ns == -1
    with pytest.raises(OverflowError):
        entry.st_ino = 2**64
    with pytest.raises(AttributeError):
        entry.other = 1


@pytest.mark.parametrize("module", MODULES)
def test_attributes_are_subclassed(module: Any) -> None:
    class Entry(module.EntryAttributes):  # type: ignore[misc]
        def __init__(self, ino: int, path: str) -> None:
            super().__init__()
            self.st_ino = ino
            self.path = path

    entry = Entry(5, "a")
    assert (entry.st_ino, entry.path, entry.st_nlink) == (5, "a", 1)


@pytest.mark.parametrize("module", MODULES)
def test_statistics(module: Any) -> None:
    data = module.StatvfsData()
    names = [
        "f_bsize",
        "f_frsize",
        "f_blocks",
        "f_bfree",
        "f_bavail",
        "f_files",
        "f_ffree",
        "f_favail",
        "f_namemax",
    ]
    assert data.__getstate__() == dict.fromkeys(names, 0)
    data.f_bfree = 7
    assert copy.copy(data).f_bfree == 7


@pytest.mark.parametrize("module", MODULES)
def test_what_a_request_brings_is_read_only(module: Any) -> None:
    context, fields = module.RequestContext(), module.SetattrFields()
    assert (context.uid, context.gid, context.pid, context.umask) == (0, 0, 0, 0)
    assert not any(getattr(fields, name) for name in dir(fields) if name.startswith("update_"))
    for thing, name in ((context, "uid"), (fields, "update_size")):
        with pytest.raises(AttributeError):
            setattr(thing, name, 1)


def test_file_info() -> None:
    info = pyfuse3.FileInfo()
    assert (info.fh, info.direct_io, info.keep_cache, info.nonseekable) == (0, False, True, False)
    info = pyfuse3.FileInfo(3, True, False, True)
    assert (info.fh, info.direct_io, info.keep_cache, info.nonseekable) == (3, True, False, True)
    info = pyfuse3.FileInfo(fh=2**64 - 1, keep_cache=False)
    assert (info.fh, info.keep_cache) == (2**64 - 1, False)
    with pytest.raises(OverflowError):
        pyfuse3.FileInfo(fh=-1)
    with pytest.raises(TypeError):
        pyfuse3.PollHandle()


@pytest.mark.parametrize("module", MODULES)
def test_wrong_types_are_refused(module: Any) -> None:
    wrong: list[Callable[[], object]] = [
        lambda: module.get_sup_groups("self"),
        lambda: module.getxattr("/", "user.a", size_guess="much"),
        lambda: module.getxattr("/", b"user.a"),
        lambda: module.FUSEError("ENOENT"),
        lambda: module.FUSEError(),
        lambda: module.EntryAttributes().__setattr__("attr_timeout", "long"),
    ]
    if module is llfuse:
        wrong.append(lambda: llfuse.lock.acquire(timeout="long"))  # type: ignore[arg-type]
    for call in wrong:
        with pytest.raises(TypeError):
            call()
    if module is llfuse:
        with pytest.raises(RuntimeError):
            llfuse.lock.release()  # nobody got it


def test_a_wrapped_coroutine_tells_nothing() -> None:
    async def answer(value: int) -> int:
        """Its own words."""
        return value

    wrapped = pyfuse3.async_wrapper(answer)
    assert (wrapped.__name__, wrapped.__doc__) == ("answer", "Its own words.")
    assert called(wrapped, 5) is None
