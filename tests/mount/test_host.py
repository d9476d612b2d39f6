"""A host directory on a real mount: the list of POSIX checks, the caller's rights, what changes below."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import sqlite3
import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from fusetree import Dir, FileNode, HostDir, HostFile, lowlevel
from fusetree.nodes import Node
from tests.mount.conftest import Mounting
from tests.support import python, raises_errno, shell, wait_for

pytestmark = pytest.mark.mount


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder that other users reach, too."""
    source = tmp_path / "source"
    source.mkdir(mode=0o777)
    os.chmod(source, 0o777)
    for folder in (tmp_path, tmp_path.parent):
        os.chmod(folder, 0o755)
    return source


def outcomes(text: str) -> dict[str, str]:
    """How each check of the list went."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] in {"ok", "FAILED", "skipped"}:
            found[words[1]] = words[0]
    return found


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "passthrough",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                not lowlevel.features()["passthrough"].compiled, reason="passthrough needs libfuse 3.17"
            ),
        ),
    ],
)
def test_what_the_host_passes_passes(
    passthrough: bool, mountpoint: Path, source: Path, tmp_path: Path, mounted: Mounting
) -> None:
    """The list of POSIX checks: on the directory itself, and on a mount of it."""
    plain = tmp_path / "plain"
    plain.mkdir()
    on_host = outcomes(python("-m", "fusetree.testing.posix", "-v", plain, timeout=80).text)
    mounted(HostDir(source, writable=True), allow_other=True, suid=True, dev=True, passthrough=passthrough)
    through = outcomes(python("-m", "fusetree.testing.posix", "-v", mountpoint, timeout=90).text)
    assert len(on_host) >= 600
    passed = {name for name, outcome in on_host.items() if outcome == "ok"}
    missing = {name: through.get(name) for name in passed if through.get(name) != "ok"}
    if not lowlevel.features()["tmpfile"].compiled:
        missing = {name: outcome for name, outcome in missing.items() if not name.startswith("tmpfile/")}
    assert missing == {}
    assert os.listdir(source) == []


def as_user(script: str, *, user: int = 1000, groups: str = "") -> str:
    """Run a shell script as another user, and return what it prints."""
    wanted = ["--groups", groups] if groups else ["--clear-groups"]
    done = subprocess.run(
        ["setpriv", f"--reuid={user}", f"--regid={user}", *wanted, "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.root
def test_others_make_what_is_theirs(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    mounted(HostDir(source, writable=True), allow_other=True)
    script = f"cd {mountpoint} && umask 027 && echo x > f && mkdir d && ln -s f s && mkfifo p"
    assert as_user(script) == ""
    made = {name: os.lstat(source / name) for name in os.listdir(source)}
    assert {(found.st_uid, found.st_gid) for found in made.values()} == {(1000, 1000)}
    assert [stat.S_IMODE(made[name].st_mode) for name in "fdp"] == [0o640, 0o750, 0o640]


@pytest.mark.root
def test_supplementary_groups_count(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    (source / "f").write_text("shared\n")
    os.chown(source / "f", 0, 4321)
    os.chmod(source / "f", 0o640)
    mounted(HostDir(source, writable=True), allow_other=True)
    assert as_user(f"cat {mountpoint}/f", groups="4321") == "shared\n"
    assert "Permission denied" in as_user(f"cat {mountpoint}/f", groups="4322")


@pytest.mark.root
def test_acls_of_the_host_are_heeded(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("needs setfacl")
    (source / "f").write_text("for one\n")
    os.chmod(source / "f", 0o600)
    (source / "d").mkdir()
    shell(f"setfacl -m u:1000:r {source}/f && setfacl -d -m u:1000:rwx {source}/d").ok()
    mounted(HostDir(source, writable=True), allow_other=True)
    assert as_user(f"cat {mountpoint}/f") == "for one\n"
    assert "Permission denied" in as_user(f"cat {mountpoint}/f", user=1001)
    # What is new there gets it, and the umask does not count.
    shell(f"umask 077; echo x > {mountpoint}/d/new").ok()
    assert "user:1000:rwx" in shell(f"getfacl -np {source}/d/new").text
    assert as_user(f"cat {mountpoint}/d/new") == "x\n"


@pytest.mark.root
def test_a_program_that_may_be_run_and_not_read_runs(
    mountpoint: Path, source: Path, mounted: Mounting
) -> None:
    shutil.copy("/bin/true", source / "program")
    os.chmod(source / "program", 0o711)
    mounted(HostDir(source), allow_other=True)
    assert as_user(f"{mountpoint}/program && echo ran") == "ran\n"
    assert "Permission denied" in as_user(f"cat {mountpoint}/program")


@pytest.mark.root
def test_the_host_checks_where_the_kernel_does_not(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    (source / "secret").write_text("secret\n")
    os.chmod(source / "secret", 0o600)
    (source / "closed").mkdir(mode=0o700)
    (source / "closed" / "f").write_text("f\n")
    mounted(HostDir(source, writable=True), allow_other=True, default_permissions=False)
    for script in (
        "cat secret",
        "echo x > secret",
        "chmod 666 secret",
        "ls closed",
        "cat closed/f",
        "rm -rf closed",
    ):
        answer = as_user(f"cd {mountpoint} && {script}")
        assert "ermi" in answer, (script, answer)  # "Permission denied", "Operation not permitted"
    assert (source / "closed" / "f").read_text() == "f\n"
    assert (source / "secret").read_text() == "secret\n"
    assert stat.S_IMODE(os.stat(source / "secret").st_mode) == 0o600


def test_read_only(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    (source / "f").write_text("text\n")
    mounted(HostDir(source))
    assert (mountpoint / "f").read_text() == "text\n"
    for attempt in (
        lambda: (mountpoint / "f").write_text("x"),
        lambda: (mountpoint / "n").write_text("x"),
        lambda: (mountpoint / "n").mkdir(),
        lambda: (mountpoint / "f").unlink(),
        lambda: os.utime(mountpoint / "f"),
        lambda: os.chmod(mountpoint / "f", 0o600),
        lambda: os.setxattr(mountpoint / "f", "user.a", b"1"),
        lambda: os.rename(mountpoint / "f", mountpoint / "n"),
        lambda: os.truncate(mountpoint / "f", 0),
    ):
        with raises_errno(errno.EROFS):
            attempt()
    assert os.listdir(source) == ["f"]


def test_what_the_host_changes_shows(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    (source / "f").write_text("one\n")
    mounted(HostDir(source, ttl=0.2))
    assert (mountpoint / "f").read_text() == "one\n"
    (source / "f").write_text("two, and longer\n")
    # At open, whatever the kernel had.
    assert (mountpoint / "f").read_text() == "two, and longer\n"
    with open(mountpoint / "f", "rb") as opened:
        assert opened.read() == b"two, and longer\n"
        (source / "f").write_text("xyz, and longer\n")  # of the same size
        # While it is open, when attributes are asked for again.
        wait_for(lambda: os.pread(opened.fileno(), 3, 0) == b"xyz", what="the new content")
    (source / "g").touch()
    assert sorted(os.listdir(mountpoint)) == ["f", "g"]
    assert (mountpoint / "g").exists()
    (source / "g").unlink()
    wait_for(lambda: not (mountpoint / "g").exists(), what="the name to go")


def test_programs_append_where_the_end_is(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    """The host's end, even if the kernel has not heard yet that it moved."""
    (source / "log").write_text("1\n")
    mounted(HostDir(source, writable=True, ttl=60.0))
    with (
        open(mountpoint / "log", "ab", buffering=0) as through,
        open(source / "log", "ab", buffering=0) as host,
    ):
        for number in range(2, 8):
            (host, through)[number % 2].write(b"%d\n" % number)
    assert (source / "log").read_text() == "".join(f"{number}\n" for number in range(1, 8))


def test_mapped_pages_reach_their_place(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    (source / "f").write_bytes(bytes(8192))
    mounted(HostDir(source, writable=True))

    # In a process of its own: a page fault waits for us, and holds the interpreter meanwhile.
    script = (
        "import mmap, sys; file = open(sys.argv[1], 'a+b'); view = mmap.mmap(file.fileno(), 8192);"
        "view[4096:4100] = b'page'; view.flush()"
    )
    python("-c", script, mountpoint / "f").ok()
    assert (source / "f").read_bytes() == bytes(4096) + b"page" + bytes(4092)


def test_a_tree_larger_than_the_limit_is_walked(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    for number in range(600):
        folder = source / f"d{number % 20}" / "e"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_text(f"{number}\n")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    root = HostDir(source, writable=True, max_descriptors=16)
    mounted(root)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 60, before[1]))
    try:
        # The kernel knows them all at a time, and forgets none.
        found = shell(f"find {mountpoint} -type f -size +0 | wc -l; find {mountpoint} | wc -l", timeout=50)
        assert found.ok().lines == ["600", "641"]
        assert shell(f"cat {mountpoint}/d*/e/f* | wc -l", timeout=50).ok().lines == ["600"]
        assert len(os.listdir("/proc/self/fd")) <= used + 60
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_descriptors_are_given_back_when_the_kernel_forgets(
    mountpoint: Path, source: Path, mounted: Mounting
) -> None:
    for number in range(200):
        (source / f"f{number}").touch()
    mounted(HostDir(source, writable=True))
    before = len(os.listdir("/proc/self/fd"))
    assert len(list(os.scandir(mountpoint))) == 200
    for number in range(200):
        os.stat(mountpoint / f"f{number}")
    assert len(os.listdir("/proc/self/fd")) >= before + 200
    for number in range(200):
        os.unlink(mountpoint / f"f{number}")
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before + 2, what="the descriptors")


def test_it_hangs_in_a_tree_and_more_than_once(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    (source / "d").mkdir()
    (source / "d" / "f").write_text("x")
    mounted(Dir({"read": HostDir(source), "write": HostDir(source, writable=True), "about": "text\n"}))
    (mountpoint / "write" / "d" / "g").write_text("y")
    assert sorted(os.listdir(mountpoint / "read" / "d")) == ["f", "g"]
    with raises_errno(errno.EROFS):
        (mountpoint / "read" / "d" / "h").write_text("z")
    with raises_errno(errno.EXDEV):
        os.rename(mountpoint / "write" / "d" / "g", mountpoint / "read" / "g")
    # ".." and numbers as on the host
    listed = {entry.name: entry.inode() for entry in os.scandir(mountpoint / "write" / "d")}
    assert listed == {name: os.stat(source / "d" / name).st_ino for name in "fg"}


class Rot13(FileNode):
    def __init__(self, behind: HostFile) -> None:
        super().__init__(mode=0o444)
        self.behind = behind

    def read(self, size: int, offset: int) -> bytes:
        text = self.behind.content().decode()
        return text.translate(TABLE).encode()[offset : offset + size]


LETTERS = "abcdefghijklmnopqrstuvwxyz"
TABLE = str.maketrans(LETTERS, LETTERS[13:] + LETTERS[:13])


class Wrapped(HostDir):
    def shows(self, name: str) -> bool:
        return not name.startswith(".")

    def wrap(self, name: str, node: Node) -> Node:
        return Rot13(node) if isinstance(node, HostFile) else node


def test_wrapped_and_filtered(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    (source / "d").mkdir()
    (source / "d" / "f").write_text("hello\n")
    (source / "d" / ".hidden").write_text("x")
    mounted(Wrapped(source), strict=True)
    assert shell(f"cat {mountpoint}/d/f; ls -A {mountpoint}/d").ok().lines == ["uryyb", "f"]
    assert not (mountpoint / "d" / ".hidden").exists()


def test_sparse_files_xattrs_and_links_are_copied(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    mounted(HostDir(source, writable=True))
    script = """
        mkdir a && cd a && echo text > f && ln f hard && ln -s f soft && mkfifo p
        truncate -s 20M sparse && printf x >> sparse
        cd .. && cp -a a b && cp --sparse=never --reflink=never a/sparse c && fallocate -p -l 10M c
        tar -cSf a.tar a && mkdir t && tar -xSf a.tar -C t
        cmp a/sparse t/a/sparse && cmp a/sparse c && cmp a/sparse b/sparse
    """
    shell(script, cwd=mountpoint).ok()
    assert (source / "a.tar").stat().st_size < 100_000
    assert (source / "t" / "a" / "sparse").stat().st_blocks < 100
    assert (source / "t" / "a" / "hard").stat().st_ino == (source / "t" / "a" / "f").stat().st_ino
    assert (source / "b" / "f").stat().st_nlink == 2
    assert os.readlink(source / "b" / "soft") == "f"


WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30)
for number in range(50):
    with db:
        db.execute("insert into t values (?, ?)", (sys.argv[2], number))
"""


def test_sqlite_with_a_write_ahead_log_and_two_processes(
    mountpoint: Path, source: Path, mounted: Mounting
) -> None:
    mounted(HostDir(source, writable=True))
    path = mountpoint / "db"

    prepare = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
        "assert db.execute('pragma journal_mode=wal').fetchone() == ('wal',);"
        "db.execute('create table t (who, number)'); db.commit(); db.close()"
    )
    python("-c", prepare, path).ok()
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), who]) for who in "ab"]
    assert [process.wait(timeout=50) for process in running] == [0, 0]
    db = sqlite3.connect(source / "db")
    assert db.execute("select who, count(*) from t group by who").fetchall() == [("a", 50), ("b", 50)]
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()


@pytest.mark.timeout(120)
def test_git(mountpoint: Path, source: Path, mounted: Mounting) -> None:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    mounted(HostDir(source, writable=True))
    script = """
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
        git init -q repo && cd repo && git config user.email a@b && git config user.name n
        for n in 1 2 3; do seq $n 1000 > f$n; mkdir -p d$n; cp f$n d$n/g; git add . ; git commit -qm $n; done
        git mv f1 moved && git commit -qm moved && git gc -q && git fsck --strict 2>&1
        cd .. && git clone -q repo clone && cd clone && git status --porcelain && git log --oneline | wc -l
    """
    assert shell(script, cwd=mountpoint, timeout=100).ok().lines[-1].strip() == "4"
    assert shell("git fsck --strict", cwd=source / "clone").ok()


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX, 10, 5)
print("locked", flush=True)
sys.stdin.read()
"""


def test_locks_are_the_hosts_where_they_are_left_to_the_program(
    mountpoint: Path, source: Path, mounted: Mounting
) -> None:
    (source / "f").write_text("x" * 100)
    mounted(HostDir(source, writable=True), locks="program", strict=True)
    with (
        open(source / "f", "r+") as host,
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, mountpoint / "f"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert _locked(host, 0, 5)
        assert not _locked(host, 14, 1)
        # It ends with the process, however that ends.
        holder.kill()
        wait_for(lambda: _locked(host, 0, 0), what="the lock of a process that is gone")
        with open(mountpoint / "f", "r+") as through:
            with raises_errno(errno.EAGAIN, errno.EACCES):
                fcntl.lockf(through, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(through, fcntl.LOCK_EX)
            with raises_errno(errno.EAGAIN):
                fcntl.flock(host, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(host, fcntl.LOCK_EX)


def _locked(file: TextIO, start: int, length: int) -> bool:
    """Lock a range, not as this process: it serves the mount, and closes other descriptors of the file."""
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, request)
    except BlockingIOError:
        return False
    return True


@pytest.mark.no_rings  # the kernel can not take back what waits there
@pytest.mark.root
@pytest.mark.timeout(120)
def test_checks_of_locks_pass_where_they_are_the_hosts(
    mountpoint: Path, source: Path, mounted: Mounting
) -> None:
    mounted(HostDir(source, writable=True), locks="program", allow_other=True)
    groups = [word for group in ("fcntl-locks", "ofd-locks", "flock") for word in ("--only", group)]
    found = outcomes(python("-m", "fusetree.testing.posix", "-v", *groups, mountpoint, timeout=100).text)
    assert len(found) >= 33
    assert {name for name, outcome in found.items() if outcome != "ok"} == set()
