"""open(2) with O_TMPFILE on a real mount, where libfuse (3.17) and the kernel (6.1) have it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, HostDir, MemoryDir, WrapDir, lowlevel
from fusetree.nodes import Node
from tests.mount.conftest import Mounting
from tests.support import in_thread, python, raises_errno, wait_for

pytestmark = pytest.mark.mount

HAS_IT = lowlevel.features()["tmpfile"].compiled
needs_it = pytest.mark.skipif(not HAS_IT, reason="O_TMPFILE needs libfuse 3.17")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder that other users reach, too."""
    source = tmp_path / "source"
    source.mkdir(mode=0o777)
    os.chmod(source, 0o777)
    for folder in (tmp_path, tmp_path.parent):
        os.chmod(folder, 0o755)
    return source


@pytest.fixture(params=["memory", "host", "host, passed through", "wrapped memory", "wrapped host"])
def root(request: pytest.FixtureRequest, source: Path) -> tuple[Dir, Any]:
    inside = MemoryDir(mode=0o777) if "memory" in request.param else HostDir(source, writable=True)
    shown = WrapDir(inside) if "wrapped" in request.param else inside
    return shown, "auto" if "passed" in request.param else False


@needs_it
@pytest.mark.root
@pytest.mark.timeout(60)
def test_the_checks_of_the_posix_list_pass(
    root: tuple[Dir, Any], mountpoint: Path, mounted: Mounting
) -> None:
    mounted(root[0], allow_other=True, passthrough=root[1])
    answer = python("-m", "fusetree.testing.posix", "-v", "--only", "tmpfile", mountpoint).ok()
    outcomes = [line.split()[:2] for line in answer.lines if line.split()[1:2][0:1] and "tmpfile/" in line]
    assert [outcome for outcome, _ in outcomes] == ["ok"] * 5, answer.text


@needs_it
def test_it_gets_a_name_and_is_the_same_file(
    root: tuple[Dir, Any], mountpoint: Path, mounted: Mounting
) -> None:
    tree = root[0]
    mounted(tree, passthrough=root[1])

    def write() -> None:
        fd = os.open(mountpoint, os.O_TMPFILE | os.O_RDWR, 0o640)
        os.write(fd, b"one\n")
        number = os.fstat(fd).st_ino
        assert os.fstat(fd).st_nlink == 0
        assert os.listdir(mountpoint) == []
        os.link(f"/proc/self/fd/{fd}", mountpoint / "f", follow_symlinks=True, src_dir_fd=fd)
        os.write(fd, b"two\n")
        found = os.stat(mountpoint / "f")
        assert (found.st_ino, found.st_nlink, found.st_size) == (number, 1, 8)
        os.rename(mountpoint / "f", mountpoint / "g")
        os.close(fd)

    in_thread(write)
    assert (mountpoint / "g").read_text() == "one\ntwo\n"
    node: Any = tree["g"]
    assert node.content() == b"one\ntwo\n"


@needs_it
def test_what_gets_no_name_is_gone(mountpoint: Path, mounted: Mounting) -> None:
    root = MemoryDir(max_inodes=10, max_bytes=1 << 20)
    mounted(root)

    def free() -> tuple[int, int]:
        size = root.statfs()
        return size.free_files, size.free_blocks

    before = free()

    def use() -> None:
        fd = os.open(mountpoint, os.O_TMPFILE | os.O_WRONLY)
        os.write(fd, b"x" * 5000)
        assert free() == (before[0] - 1, before[1] - 2)
        os.close(fd)

    in_thread(use)
    wait_for(lambda: free() == before)


@needs_it
@pytest.mark.root
def test_others_make_what_is_theirs(root: tuple[Dir, Any], mountpoint: Path, mounted: Mounting) -> None:
    """Also a file that nobody may open again."""
    mounted(root[0], allow_other=True, passthrough=root[1])
    script = (
        f"import os; os.umask(0o027); fd = os.open('{mountpoint}', os.O_TMPFILE | os.O_RDWR, 0o666);"
        f"shut = os.open('{mountpoint}', os.O_TMPFILE | os.O_RDWR, 0o000); os.write(shut, b'x');"
        f"assert os.pread(shut, 1, 0) == b'x';"
        f"os.link(f'/proc/self/fd/{{fd}}', '{mountpoint}/f', follow_symlinks=True, src_dir_fd=fd)"
    )
    program = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "python3", "-c", script]
    done = subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr == ""
    found = os.stat(mountpoint / "f")
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1000, 1000, 0o640)


class Ruled(MemoryDir):
    """Says itself what is made in it, and so nothing is made past it."""

    def create(self, name: str, mode: int) -> Any:
        raise PermissionError


class Wrapped(HostDir):
    def wrap(self, name: str, node: Node) -> Node:
        return node


@pytest.mark.parametrize(
    ("kind", "number"),
    [("plain", errno.EOPNOTSUPP), ("ruled", errno.EOPNOTSUPP), ("wrapped", errno.EOPNOTSUPP),
     ("read-only", errno.EROFS)],
)  # fmt: skip
def test_where_there_is_none(
    kind: str, number: int, mountpoint: Path, source: Path, mounted: Mounting
) -> None:
    made: dict[str, Callable[[], Dir]] = {
        "plain": lambda: Dir({}, mode=0o755),
        "ruled": Ruled,
        "wrapped": lambda: Wrapped(source, writable=True),
        "read-only": lambda: HostDir(source),
    }
    mounted(made[kind]())
    with raises_errno(number if HAS_IT else errno.EOPNOTSUPP):
        os.open(mountpoint, os.O_TMPFILE | os.O_RDWR)
