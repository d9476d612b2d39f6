"""The examples that are whole file systems do what a real directory does: the POSIX checks run on them."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from examples import passthrough as passthrough_fs
from examples.sqlite_fs import SqliteOperations
from fusetree import lowlevel
from fusetree.lowlevel import ROOT_INODE, features
from fusetree.testing.posix import Features, Status, checks, run, syscalls
from tests.examples.flawed import FLAWS
from tests.support import ROOT, is_mounted, python, raises_errno, server, shell, wait_for

EXAMPLES = ROOT / "examples"
SQLITE, PASSTHROUGH, HELLO = (
    EXAMPLES / name for name in ("sqlite_fs.py", "passthrough.py", "lowlevel_hello.py")
)

pytestmark = pytest.mark.mount

# What each does not have; everything else must be there where the host has it.
LACKS = {"sqlite": {"ACLs"}, "passthrough": set()}
if not features()["tmpfile"].compiled:
    for lacking in LACKS.values():
        lacking.add("temporary files")


@contextmanager
def sqlite(mountpoint: Path, *database: Path) -> Iterator[Popen[bytes]]:
    with server(SQLITE, mountpoint, *database, mountpoint=mountpoint) as process:
        yield process
    assert not is_mounted(mountpoint)


@contextmanager
def passthrough(source: Path, mountpoint: Path) -> Iterator[Popen[bytes]]:
    source.mkdir(exist_ok=True)
    with server(PASSTHROUGH, source, mountpoint, mountpoint=mountpoint) as process:
        yield process
    assert not is_mounted(mountpoint)


@contextmanager
def serving(name: str, mountpoint: Path, folder: Path) -> Iterator[Popen[bytes]]:
    with sqlite(mountpoint) if name == "sqlite" else passthrough(folder / "source", mountpoint) as process:
        yield process


@pytest.fixture(params=["sqlite", "passthrough"])
def files(request: pytest.FixtureRequest, mountpoint: Path, tmp_path: Path) -> Iterator[Path]:
    """A mounted file system, empty and writable."""
    with serving(request.param, mountpoint, tmp_path):
        yield mountpoint


@pytest.mark.parametrize("name", ["sqlite", "passthrough"])
def test_behaves_as_a_directory_does(name: str, mountpoint: Path, tmp_path: Path) -> None:
    with serving(name, mountpoint, tmp_path):
        offered = Features(mountpoint)
        wrong = [f"{result.check}: {result}" for result in run(checks, mountpoint, features=offered)
                 if result.status is Status.FAILED]  # fmt: skip
        assert wrong == []
        host = Features(tmp_path)
        needed = {need for check in checks for need in check.needs}
        lacking = {need for need in needed if offered.lack(need) and not host.lack(need)}
        assert lacking - _needs_root() <= LACKS[name]
        assert os.listdir(mountpoint) == []


def _needs_root() -> set[str]:
    """What an ordinary user's mount lacks: others may not enter."""
    return set() if os.geteuid() == 0 else {"devices", "opening devices"}


class Caller:
    """What handlers ask of a RequestContext."""

    uid, gid, pid, umask = os.geteuid(), os.getegid(), 1, 0o022


@pytest.mark.parametrize("name", ["sqlite", "passthrough"])
def test_a_file_without_a_name_gets_one_later(name: str, tmp_path: Path) -> None:
    """By the handlers themselves: what sends this request is newer than the oldest libfuse."""
    caller: Any = Caller()
    data: Any = memoryview(b"abc")
    operations: lowlevel.Operations = (
        SqliteOperations() if name == "sqlite" else passthrough_fs.PassthroughOperations(str(tmp_path))
    )
    info, entry = operations.tmpfile(ROOT_INODE, 0o640, os.O_RDWR, caller)
    assert (entry.st_nlink, stat.S_IMODE(entry.st_mode)) == (0, 0o640)
    operations.write(info.fh, 0, data)
    with raises_errno(errno.ENOENT):
        operations.lookup(ROOT_INODE, b"f", caller)
    linked = operations.link(entry.st_ino, ROOT_INODE, b"f", caller)
    assert (linked.st_ino, linked.st_nlink, linked.st_size) == (entry.st_ino, 1, 3)
    operations.forget([(entry.st_ino, 2)])
    again = operations.lookup(ROOT_INODE, b"f", caller)
    opened = operations.open(again.st_ino, os.O_RDONLY, caller)
    content: Any = operations.read(opened.fh, 0, 10)
    assert bytes(content) == b"abc"
    operations.destroy()


class TestHello:
    @pytest.fixture
    def hello(self, mountpoint: Path) -> Iterator[Path]:
        with server(HELLO, mountpoint, mountpoint=mountpoint) as process:
            yield mountpoint
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert not is_mounted(mountpoint)

    def test_what_is_there(self, hello: Path) -> None:
        assert shell("cat message", cwd=hello).ok().text == "hello world\n"
        assert shell("ls -a", cwd=hello).ok().lines == [".", "..", "message"]
        found = (hello / "message").stat()
        assert (stat.filemode(found.st_mode), found.st_size, found.st_nlink) == ("-r--r--r--", 12, 1)
        assert found.st_uid == os.geteuid()
        assert shell("find . -type d -links 2", cwd=hello).ok().lines == ["."]
        assert shell("dd if=message bs=5 skip=1 2>/dev/null", cwd=hello).ok().text == " world\n"
        assert os.statvfs(hello).f_namemax == 255

    def test_what_is_not(self, hello: Path) -> None:
        for name, number in (
            ("none", errno.ENOENT),
            ("x" * 256, errno.ENAMETOOLONG),
            ("message/x", errno.ENOTDIR),
        ):
            with raises_errno(number):
                (hello / name).stat()
        for call in (
            lambda: (hello / "message").write_text("x"),
            lambda: (hello / "new").touch(),
            lambda: (hello / "message").unlink(),
        ):
            with raises_errno(errno.EROFS):
                call()


class TestSqlite:
    def test_a_database_is_found_again(self, mountpoint: Path, tmp_path: Path) -> None:
        database = tmp_path / "files.db"
        with sqlite(mountpoint, database):
            (mountpoint / "d").mkdir()
            (mountpoint / "d/f").write_bytes(b"x" * 100_000)
            os.utime(mountpoint / "d/f", ns=(1, 123_456_789))
            os.link(mountpoint / "d/f", mountpoint / "l")
            before = (mountpoint / "l").stat()
        with sqlite(mountpoint, database):
            assert (mountpoint / "d/f").read_bytes() == b"x" * 100_000
            after = (mountpoint / "l").stat()
            assert (after.st_ino, after.st_nlink, after.st_mtime_ns) == (before.st_ino, 2, 123_456_789)

    def test_a_killed_server_leaves_a_whole_database(self, mountpoint: Path, tmp_path: Path) -> None:
        database = tmp_path / "files.db"
        with sqlite(mountpoint, database) as process:
            (mountpoint / "f").write_text("kept")
            with open(mountpoint / "unnamed", "w+b", buffering=0) as unnamed:
                unnamed.write(b"x" * 200_000)
                (mountpoint / "unnamed").unlink()
                process.kill()
                process.wait(20)
        with sqlite(mountpoint, database):
            assert os.listdir(mountpoint) == ["f"]
            assert (mountpoint / "f").read_text() == "kept"
            found = os.statvfs(mountpoint)
            assert found.f_files - found.f_ffree == 2

    def test_inode_numbers_are_never_used_twice(self, mountpoint: Path) -> None:
        with sqlite(mountpoint):
            seen = set()
            for _ in range(50):
                (mountpoint / "f").touch()
                seen.add((mountpoint / "f").stat().st_ino)
                (mountpoint / "f").unlink()
            assert len(seen) == 50

    def test_when_it_is_full(self, mountpoint: Path) -> None:
        program = (
            f"import sys; sys.path.insert(0, {str(EXAMPLES)!r})\n"
            "import sqlite_fs\nfrom fusetree import lowlevel\n"
            "operations = sqlite_fs.SqliteOperations(capacity=4 << 20)\n"
            "with lowlevel.Session(operations, sys.argv[1]) as session: session.run()"
        )
        with server("-c", program, mountpoint, mountpoint=mountpoint):
            free = os.statvfs(mountpoint).f_ffree
            with raises_errno(errno.ENOSPC):
                (mountpoint / "big").write_bytes(bytes(range(256)) * 32768)
            (mountpoint / "big").unlink()
            # Its content goes when the kernel has let go of it, which is after unlink(2).
            wait_for(lambda: os.statvfs(mountpoint).f_ffree == free, what="the file to be deleted")
            (mountpoint / "small").write_bytes(b"x" * 1_000_000)
            assert (mountpoint / "small").stat().st_size == 1_000_000

    def test_space_and_inodes_are_given_back(self, mountpoint: Path) -> None:
        with sqlite(mountpoint):
            before = os.statvfs(mountpoint)
            for number in range(100):
                (mountpoint / f"f{number}").write_bytes(b"x" * 50_000)
            for number in range(100):
                (mountpoint / f"f{number}").unlink()
            wait_for(lambda: os.statvfs(mountpoint).f_files - os.statvfs(mountpoint).f_ffree ==
                     before.f_files - before.f_ffree, what="inodes to be deleted")  # fmt: skip


class TestPassthrough:
    def test_it_is_the_sources_files(self, mountpoint: Path, tmp_path: Path) -> None:
        source = tmp_path / "source"
        with passthrough(source, mountpoint):
            (mountpoint / "d").mkdir()
            (mountpoint / "d/f").write_text("through")
            assert (source / "d/f").read_text() == "through"
            (source / "new").write_text("beside")
            assert (mountpoint / "new").read_text() == "beside"
            assert (mountpoint / "new").stat().st_ino == (source / "new").stat().st_ino

    def test_renamed_in_the_source_while_open(self, mountpoint: Path, tmp_path: Path) -> None:
        source = tmp_path / "source"
        with passthrough(source, mountpoint):
            (mountpoint / "d").mkdir()
            (mountpoint / "d/f").write_text("abc")
            with open(mountpoint / "d/f", "r+b", buffering=0) as file:
                (source / "d").rename(source / "e")
                (source / "d").mkdir()
                (source / "d/f").write_text("another")
                file.write(b"z")
                assert os.fstat(file.fileno()).st_size == 3
            assert (source / "e/f").read_text() == "zbc"
            assert (source / "d/f").read_text() == "another"

    def test_a_directory_that_became_a_link_leads_nowhere(self, mountpoint: Path, tmp_path: Path) -> None:
        source, secret = tmp_path / "source", tmp_path / "secret"
        secret.mkdir()
        (secret / "f").write_text("secret")
        with passthrough(source, mountpoint):
            (mountpoint / "d").mkdir()
            fd = os.open(mountpoint / "d", os.O_RDONLY | os.O_DIRECTORY)
            try:
                (source / "d").rmdir()
                (source / "d").symlink_to(secret)
                with raises_errno(errno.ENOENT, errno.ESTALE):
                    os.open("f", os.O_RDONLY, dir_fd=fd)
                with raises_errno(errno.ENOENT, errno.ESTALE):
                    os.open("g", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
            finally:
                os.close(fd)
            assert os.listdir(secret) == ["f"]

    def test_descriptors_are_closed_when_the_kernel_forgets(self, mountpoint: Path, tmp_path: Path) -> None:
        with passthrough(tmp_path / "source", mountpoint) as process:
            folder = Path(f"/proc/{process.pid}/fd")
            before = len(list(folder.iterdir()))
            for number in range(200):
                (mountpoint / f"f{number}").write_text("x")
            assert len(list(mountpoint.iterdir())) == 200
            assert len(list(folder.iterdir())) > before + 150
            for number in range(200):
                (mountpoint / f"f{number}").unlink()
            wait_for(lambda: len(list(folder.iterdir())) <= before, what="descriptors to be closed")

    def test_a_descriptor_outlasts_its_release_while_a_request_uses_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The kernel sends RELEASE although a request still runs, when the caller of that was killed."""
        (tmp_path / "mine").write_bytes(b"mine")
        (tmp_path / "another").write_bytes(b"other")
        operations = passthrough_fs.PassthroughOperations(str(tmp_path))
        nobody: Any = None  # these handlers look at no caller
        mine = operations.lookup(ROOT_INODE, b"mine", nobody).st_ino
        another = operations.lookup(ROOT_INODE, b"another", nobody).st_ino
        handle = operations.open(mine, os.O_RDONLY, nobody).fh
        pread, truncate = os.pread, os.truncate

        def take_numbers() -> None:
            for _ in range(3):
                operations.open(another, os.O_RDONLY, nobody)  # each takes the lowest free descriptor number

        def late_pread(fd: int, size: int, offset: int) -> bytes:
            operations.release(handle)
            take_numbers()
            return pread(fd, size, offset)

        def late_truncate(path: str, size: int) -> None:
            operations.forget([(mine, 1)])
            take_numbers()
            truncate(path, size)

        monkeypatch.setattr(os, "pread", late_pread)
        assert operations.read(handle, 0, 100) == b"mine"
        monkeypatch.setattr(os, "truncate", late_truncate)
        os.truncate(operations._inode(mine).path, 2)
        assert (tmp_path / "mine").read_bytes() == b"mi"
        assert (tmp_path / "another").read_bytes() == b"other"
        with raises_errno(errno.ESTALE):
            operations.getattr(mine, nobody)

    def test_locks_are_heeded_beside_the_mount(self, mountpoint: Path, tmp_path: Path) -> None:
        source = tmp_path / "source"
        request = syscalls.lock_request(fcntl.F_WRLCK, 5, 10)
        with passthrough(source, mountpoint):
            (source / "f").write_text("abc")
            with open(mountpoint / "f", "r+b") as ours, open(source / "f", "r+b") as theirs:
                fcntl.fcntl(ours, fcntl.F_SETLK, request)
                with raises_errno(errno.EAGAIN):
                    fcntl.fcntl(theirs, syscalls.F_OFD_SETLK, request)
                with open(mountpoint / "f", "rb"):
                    pass  # its close ends the locks of this process
                fcntl.fcntl(theirs, syscalls.F_OFD_SETLK, request)
                with raises_errno(errno.EAGAIN):
                    fcntl.fcntl(ours, fcntl.F_SETLK, request)
                fcntl.flock(ours, fcntl.LOCK_EX)
                with raises_errno(errno.EAGAIN):
                    fcntl.flock(theirs, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def test_who_waits_for_a_lock_beside_the_mount_gets_it(self, mountpoint: Path, tmp_path: Path) -> None:
        source = tmp_path / "source"
        with passthrough(source, mountpoint):
            (source / "f").write_text("abc")
            with open(mountpoint / "f", "r+b") as ours, open(source / "f", "r+b") as theirs:
                request, end = (syscalls.lock_request(kind) for kind in (fcntl.F_WRLCK, fcntl.F_UNLCK))
                fcntl.fcntl(theirs, syscalls.F_OFD_SETLK, request)
                fcntl.flock(theirs, fcntl.LOCK_EX)
                for wait, free in (
                    (
                        lambda: fcntl.fcntl(ours, fcntl.F_SETLKW, request),
                        lambda: fcntl.fcntl(theirs, syscalls.F_OFD_SETLK, end),
                    ),
                    (lambda: fcntl.flock(ours, fcntl.LOCK_EX), lambda: fcntl.flock(theirs, fcntl.LOCK_UN)),
                ):
                    waiting = threading.Thread(target=wait, daemon=True)
                    waiting.start()
                    waiting.join(0.1)
                    assert waiting.is_alive()
                    free()
                    waiting.join(20)
                    assert not waiting.is_alive()

    @pytest.mark.root
    def test_files_belong_to_the_caller_and_permissions_are_theirs(
        self, mountpoint: Path, tmp_path: Path
    ) -> None:
        source = tmp_path / "source"
        with passthrough(source, mountpoint):
            (mountpoint / "open").mkdir()
            (mountpoint / "open").chmod(0o770)
            os.chown(mountpoint / "open", 0, 777)
            # A member of the group by a supplementary one: nobody but the kernel knows that.
            program = (
                "import os, sys; os.setgroups([777]); os.setgid(88); os.setuid(99); os.mkdir(sys.argv[1])"
            )
            python("-c", program, mountpoint / "open/d").ok()
            found = (source / "open/d").stat()
            assert (found.st_uid, found.st_gid) == (99, 88)


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.__name__)
def test_the_list_finds_a_flaw(flaw: type[SqliteOperations], mountpoint: Path) -> None:
    """What the list is for: a file system with one flaw fails, and by the check that is about it."""
    (check,) = (check for check in checks if str(check) == FLAWS[flaw])
    with server(Path(__file__).with_name("flawed.py"), flaw.__name__, mountpoint, mountpoint=mountpoint):
        (result,) = run([check], mountpoint)
    assert result.status is Status.FAILED
