"""The file systems of tests/scenarios/test_path_operations.py with real programs and a kernel."""

from __future__ import annotations

import fcntl
import os
import select
import sys
from pathlib import Path

import pytest

from fusetree import PathOperations
from tests.mount.conftest import Mounting
from tests.scenarios.test_path_devices import Mailbox
from tests.scenarios.test_path_operations import InMemory, Linking, Loopback
from tests.support import shell

pytestmark = pytest.mark.mount


@pytest.fixture(params=["paths", "descriptors"])
def operations(request: pytest.FixtureRequest, tmp_path: Path) -> PathOperations:
    """A file system that knows paths only, and one that has descriptors."""
    return Linking() if request.param == "paths" else Loopback(tmp_path)


def test_a_shell_uses_it(mountpoint: Path, mounted: Mounting, operations: PathOperations) -> None:
    mounted(operations)
    shell(
        "mkdir -p d/e && echo hello > d/e/f && cp -p d/e/f g && ln -s d/e/f l && sed -i s/hello/bye/ g",
        cwd=mountpoint,
    ).ok()
    assert shell("cat g; find . -type f -printf '%P %s\\n' | sort", cwd=mountpoint).ok().lines == [
        *("bye", "d/e/f 6", "g 4")
    ]
    assert shell("tar cf - . | tar tf - | sort", cwd=mountpoint).ok().lines == [
        *("./", "./d/", "./d/e/", "./d/e/f", "./g", "./l")
    ]
    shell("rm -r d l && mv g h && test $(ls) = h", cwd=mountpoint).ok()


def test_hard_links(mountpoint: Path, mounted: Mounting, operations: PathOperations) -> None:
    mounted(operations)
    shell("echo one > a && ln a b && echo two >> b", cwd=mountpoint).ok()
    assert shell("cat a; stat -c %h a b; [ a -ef b ] && echo same", cwd=mountpoint).ok().lines == [
        *("one", "two", "2", "2", "same")
    ]
    shell("rm a", cwd=mountpoint).ok()
    assert shell("cat b; stat -c %h b", cwd=mountpoint).ok().lines == ["one", "two", "1"]


def test_open_files_follow_a_directory_that_is_renamed(
    mountpoint: Path, mounted: Mounting, operations: PathOperations
) -> None:
    mounted(operations)
    # One process has files open below, another one renames the directory above them.
    script = """
        mkdir -p a/b && echo first > a/b/f && exec 3<> a/b/f 4>> a/b/g
        bash -c 'mv a z && mv z/b c && rmdir z'
        cat <&3; echo second >&3; echo more >&4
        cat c/f c/g; ls
    """
    assert shell(script, cwd=mountpoint).ok().lines == ["first", "first", "second", "more", "c"]


def test_a_file_that_is_removed_while_it_is_open(
    mountpoint: Path, mounted: Mounting, operations: PathOperations
) -> None:
    mounted(operations)
    script = """
        mkdir d && echo text > d/f && exec 3<> d/f
        bash -c 'rm d/f && rmdir d && ls -A'
        cat <&3; echo more >&3; stat -L -c '%h %s' /proc/self/fd/3
        exec 3>&-; ls -A
    """
    assert shell(script, cwd=mountpoint).ok().lines == ["text", "0 10"]
    if isinstance(operations, InMemory):
        assert operations.data == {}


def test_a_file_that_is_replaced_while_it_is_open(
    mountpoint: Path, mounted: Mounting, operations: PathOperations
) -> None:
    mounted(operations)
    script = "echo old > f; exec 3< f; echo new > g; mv g f; cat <&3; cat f; ls -A"
    assert shell(script, cwd=mountpoint).ok().lines == ["old", "new", "f"]


def test_a_repository_of_git(mountpoint: Path, mounted: Mounting, tmp_path: Path) -> None:
    mounted(Loopback(tmp_path))
    git = "git -c user.name=a -c user.email=a@b -c init.defaultBranch=main"
    script = f"""
        {git} init -q repo && cd repo && for i in $(seq 20); do echo $i > $i; done
        {git} add . && {git} commit -qm one && {git} mv 1 one && {git} commit -qam two && {git} gc -q
        {git} fsck --strict && {git} log --oneline | wc -l && cat one
    """
    assert shell(script, cwd=mountpoint, timeout=50).ok().lines[-2:] == ["2", "1"]
    assert os.path.isdir(tmp_path / "repo/.git")


def test_polls_copies_and_locks(mountpoint: Path, mounted: Mounting) -> None:
    mailbox = Mailbox()
    mounted(mailbox, locks="program")
    (mountpoint / "box").write_text("")
    with (mountpoint / "box").open("r+b", buffering=0) as box:
        poller = select.poll()
        poller.register(box, select.POLLIN)
        assert poller.poll(0) == []
        shell("echo news > box", cwd=mountpoint).ok()
        assert poller.poll(20_000) == [(box.fileno(), select.POLLIN)]
        with (mountpoint / "copy").open("w+b", buffering=0) as copy:
            assert os.copy_file_range(box.fileno(), copy.fileno(), 100, 1) == 4
            assert (mountpoint / "copy").read_bytes() == b"ews\n"
            assert [what[0] for what in mailbox.asked].count("copy") == 1
        fcntl.flock(box, fcntl.LOCK_EX)
        assert shell("flock -n box true || echo taken", cwd=mountpoint).ok().text == "taken\n"
        fcntl.flock(box, fcntl.LOCK_UN)
        fcntl.lockf(box, fcntl.LOCK_EX)
        other = f"import fcntl; fcntl.lockf(open('{mountpoint}/box', 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        assert "BlockingIOError" in shell(f'{sys.executable} -c "{other}"').error
    assert mailbox.locks == []
    assert mailbox.whole == {"/box": set()}
