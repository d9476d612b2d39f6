"""mount(): served from the background, and unmounted on every way out, by the process that mounted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, File
from fusetree.errors import MountError
from fusetree.mounting import Mount, mount
from fusetree.mounting.mounted import as_directory
from tests.support import PYTHON, in_thread, is_mounted, python, shell

TREE = {"a": "1\n", "sub": {"b": b"2"}}


class TestRoot:
    def test_directory_is_taken_as_it_is(self) -> None:
        root = Dir()
        assert as_directory(root) is root

    def test_mapping_becomes_a_directory(self) -> None:
        root = as_directory({"a": "1"})
        assert isinstance(root, Dir)
        assert list(root) == ["a"]

    @pytest.mark.parametrize(
        ("root", "said"),
        [
            (File(b""), "not File"),
            (3, "not int"),
            (Dir, "mount an instance"),
            (None, "not NoneType"),
        ],
    )
    def test_what_is_no_directory(self, root: Any, said: str) -> None:
        with pytest.raises(TypeError, match=said):
            as_directory(root)

    def test_low_level_handlers_are_pointed_to_their_session(self) -> None:
        from fusetree.lowlevel import Operations

        with pytest.raises(TypeError, match=r"lowlevel\.Session"):
            as_directory(Operations())


def test_nothing_is_mounted_when_an_option_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers"):
        mount(TREE, tmp_path, workers=0)
    assert not is_mounted(tmp_path)


def test_missing_mountpoint_is_said_before_anything(tmp_path: Path) -> None:
    with pytest.raises(MountError, match="make it first"):
        mount(TREE, tmp_path / "gone")


@pytest.mark.mount
class TestMount:
    def test_answers_as_soon_as_it_returns(self, mountpoint: Path) -> None:
        with mount(TREE, mountpoint) as mounted:
            assert isinstance(mounted, Mount)
            assert mounted.mountpoint == str(mountpoint)
            assert not mounted.closed
            assert not mounted.wait(timeout=0)
            assert shell("cat a sub/b", cwd=mountpoint).ok().text == "1\n2"
        assert mounted.closed
        assert mounted.wait(timeout=0)
        assert not is_mounted(mountpoint)
        assert list(mountpoint.iterdir()) == []

    def test_options_reach_the_kernel(self, mountpoint: Path) -> None:
        with mount(TREE, mountpoint, ro=True, fsname="x,y", options=["noatime", "subtype=kind"]):
            line = next(
                line for line in Path("/proc/mounts").read_text().splitlines() if str(mountpoint) in line
            )
            source, _, kind, options, *_ = line.split()
            assert source == "x,y"
            assert kind == "fuse.kind"
            assert {"ro", "nosuid", "nodev", "noatime", "default_permissions"} <= set(options.split(","))
            assert "Read-only file system" in shell("touch a", cwd=mountpoint).error

    def test_an_unknown_option_is_named(self, mountpoint: Path) -> None:
        with pytest.raises(ValueError, match="no_such_option"):
            mount(TREE, mountpoint, options="no_such_option=1")
        assert not is_mounted(mountpoint)

    def test_directory_that_is_not_empty_is_covered(self, mountpoint: Path) -> None:
        (mountpoint / "hidden").write_text("here again")
        with mount(TREE, mountpoint):
            assert sorted(os.listdir(mountpoint)) == ["a", "sub"]
        assert (mountpoint / "hidden").read_text() == "here again"
        (mountpoint / "hidden").unlink()

    def test_relative_mountpoint_survives_chdir(
        self, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(mountpoint.parent)
        with mount(TREE, mountpoint.name):
            monkeypatch.chdir("/")
            assert shell("cat a", cwd=mountpoint).text == "1\n"
        assert not is_mounted(mountpoint)

    def test_exception_unmounts(self, mountpoint: Path) -> None:
        with pytest.raises(KeyError):
            with mount(TREE, mountpoint):
                raise KeyError
        assert not is_mounted(mountpoint)

    def test_close_may_be_called_by_anybody_any_number_of_times(self, mountpoint: Path) -> None:
        mounted = mount(TREE, mountpoint)
        threads = [threading.Thread(target=mounted.close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert not is_mounted(mountpoint)
        mounted.close()

    def test_close_within_a_handler(self, mountpoint: Path) -> None:
        def quit_now() -> str:
            mounted.close()
            return "bye\n"

        mounted = mount({"quit": quit_now}, mountpoint)
        shell("cat quit", cwd=mountpoint)
        assert mounted.wait(20)
        mounted.close()
        assert not is_mounted(mountpoint)

    def test_unmounted_while_a_client_is_inside(self, mountpoint: Path) -> None:
        mounted = mount(TREE, mountpoint)
        directory = os.open(mountpoint, os.O_RDONLY)
        mounted.close()
        assert not is_mounted(mountpoint)
        with pytest.raises(OSError):
            os.open("a", os.O_RDONLY, dir_fd=directory)
        os.close(directory)

    def test_unmounted_from_outside(self, mountpoint: Path) -> None:
        with mount(TREE, mountpoint) as mounted:
            shell(f"fusermount3 -u {mountpoint}").ok()
            assert mounted.wait(20)
            assert mounted.root["a"] is not None
            mounted.root["a"] = "changed after the end\n"
        assert not is_mounted(mountpoint)

    def test_what_is_mounted_there_after_us_is_left_alone(self, mountpoint: Path) -> None:
        with mount(TREE, mountpoint) as first:
            shell(f"fusermount3 -u {mountpoint}").ok()
            assert first.wait(20)
            with mount({"b": "2"}, mountpoint):
                first.close()
                assert shell("cat b", cwd=mountpoint).ok().text == "2"
        assert not is_mounted(mountpoint)

    def test_what_a_handler_starts_takes_signals(self, mountpoint: Path) -> None:
        def mask() -> bytes:
            return subprocess.run(
                ["grep", "SigBlk", "/proc/self/status"], capture_output=True, check=True
            ).stdout

        def terminated() -> str:
            with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
                process.terminate()
                return str(process.wait(20))

        with mount({"mask": mask, "terminated": terminated}, mountpoint):
            assert int(shell("cat mask", cwd=mountpoint).ok().text.split()[1], 16) == 0
            assert shell("cat terminated", cwd=mountpoint).ok().text.strip() == "-15"

    def test_changes_reach_readers(self, mountpoint: Path) -> None:
        root = Dir({"a": "1\n"})
        with mount(root, mountpoint):
            assert os.listdir(mountpoint) == ["a"]
            root["b"] = "2\n"
            assert sorted(os.listdir(mountpoint)) == ["a", "b"]
            del root["a"]
            assert not (mountpoint / "a").exists()

    def test_without_kernel_cache(self, mountpoint: Path) -> None:
        with mount({"a": "1\n"}, mountpoint, kernel_cache=False):
            assert shell("cat a; ls", cwd=mountpoint).ok().text == "1\na\n"

    def test_no_threads_and_no_tree_stay_behind(self, mountpoint: Path) -> None:
        before = set(threading.enumerate())
        with mount(TREE, mountpoint):
            shell("cat a", cwd=mountpoint).ok()
        assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before

    def test_two_mounts_in_one_process(self, mountpoint: Path, tmp_path: Path) -> None:
        tree, other = Dir({"a": "1\n"}), tmp_path / "other"
        other.mkdir()
        with mount(tree, mountpoint), mount(tree, other), InBoth(mountpoint, other, "1\n"):
            tree["a"] = "2\n"
            assert (mountpoint / "a").read_text() == (other / "a").read_text() == "2\n"
        assert not is_mounted(other)


class InBoth:
    """Within and before, the file "a" has the same content in two mounts."""

    def __init__(self, one: Path, two: Path, content: str) -> None:
        self.paths, self.content = (one / "a", two / "a"), content

    def __enter__(self) -> None:
        for path in self.paths:
            assert path.read_text() == self.content

    def __exit__(self, *_: object) -> None:
        for path in self.paths:
            assert path.read_text() != self.content


def broken() -> str:
    raise ZeroDivisionError("a bug")


@pytest.mark.mount
class TestStrict:
    def test_lenient_mount_lives_on(self, mountpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
        with mount({"broken": broken, "a": "1\n"}, mountpoint):
            assert "Input/output error" in shell("cat broken", cwd=mountpoint).error
            assert shell("cat a", cwd=mountpoint).ok().text == "1\n"
        assert "ZeroDivisionError" in caplog.text
        assert "/broken" in caplog.text

    def test_strict_mount_raises_out_of_the_block(self, mountpoint: Path) -> None:
        with pytest.raises(Exception) as caught:  # noqa: PT012 - a group, where there are groups
            with mount({"broken": broken}, mountpoint, strict=True) as mounted:
                assert "Input/output error" in shell("cat broken", cwd=mountpoint).error
                assert mounted.wait(20)
        assert [type(error) for error in leaves(caught.value)] == [ZeroDivisionError]
        assert not is_mounted(mountpoint)

    def test_what_the_block_raised_goes_out_with_it(self, mountpoint: Path) -> None:
        with pytest.raises(Exception) as caught:
            with mount({"broken": broken}, mountpoint, strict=True):
                in_thread((mountpoint / "broken").read_text)
        if sys.version_info >= (3, 11):
            assert [type(error) for error in leaves(caught.value)] == [ZeroDivisionError, OSError]
        else:
            assert isinstance(caught.value, ZeroDivisionError)
            assert isinstance(caught.value.__context__, OSError)

    def test_close_raises_too(self, mountpoint: Path) -> None:
        mounted = mount({"broken": broken}, mountpoint, strict=True)
        shell("cat broken", cwd=mountpoint)
        with pytest.raises(Exception) as caught:
            mounted.close()
        assert [type(error) for error in leaves(caught.value)] == [ZeroDivisionError]
        mounted.close()  # raised once

    def test_an_errno_is_no_bug(self, mountpoint: Path) -> None:
        def refused() -> str:
            raise PermissionError

        with mount({"refused": refused}, mountpoint, strict=True):
            assert "Permission denied" in shell("cat refused", cwd=mountpoint).error


def leaves(error: BaseException) -> list[BaseException]:
    """The exceptions in a group; of anything else, itself."""
    return list(getattr(error, "exceptions", (error,)))


PROGRAM = """
import os, sys, threading
import fusetree
root = fusetree.Dir({"a": "1"})
mounted = fusetree.mount(root, sys.argv[1])
assert open(os.path.join(sys.argv[1], "a")).read() == "1"
"""


@pytest.mark.mount
class TestInterpreterExit:
    @pytest.mark.parametrize(
        ("end", "status"),
        [
            ("", 0),
            ("sys.exit(3)", 3),
            ("raise RuntimeError", 1),
            ("del mounted, root", 0),
            ("threading.Thread(target=lambda: None).start()", 0),
            ("file = open(os.path.join(sys.argv[1], 'a'))", 0),
        ],
    )
    def test_unmounts(self, mountpoint: Path, end: str, status: int) -> None:
        assert python("-c", PROGRAM + end, str(mountpoint)).status == status
        assert not is_mounted(mountpoint)

    def test_unmounts_after_ctrl_c(self, mountpoint: Path) -> None:
        program = PROGRAM + "print('ready', flush=True)\nmounted.wait()"
        with subprocess.Popen(
            [PYTHON, "-c", program, str(mountpoint)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(2)
            _, err = process.communicate(timeout=20)
        assert b"KeyboardInterrupt" in err
        assert not is_mounted(mountpoint)


MULTIPROCESSING = """
import multiprocessing, os, sys
import fusetree

def child(mountpoint):
    print(*os.listdir(mountpoint), flush=True)

if __name__ == "__main__":
    with fusetree.mount({"a": "1"}, sys.argv[1]):
        process = multiprocessing.get_context(sys.argv[2]).Process(target=child, args=(sys.argv[1],))
        process.start()
        process.join()
        assert process.exitcode == 0
        assert open(os.path.join(sys.argv[1], "a")).read() == "1"
"""


@pytest.mark.mount
class TestFork:
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    def test_child_serves_nothing_and_unmounts_nothing(self, mountpoint: Path) -> None:
        with mount(TREE, mountpoint) as mounted:
            ours = fuse_descriptors(os.getpid())
            assert ours
            come, go = os.pipe(), os.pipe()
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    assert mounted.closed
                    assert mounted.wait()
                    mounted.close()
                    mounted.session.close()
                    mounted.root["child"] = "of the child alone"
                    os.write(come[1], b"!")
                    os.read(go[0], 1)
                    status = 0
                finally:
                    os._exit(status)
            assert os.read(come[0], 1) == b"!"
            assert fuse_descriptors(child) == []
            assert shell("cat a; ls", cwd=mountpoint).ok().text == "1\na\nsub\n"
            os.write(go[1], b"!")
            assert os.waitpid(child, 0)[1] == 0
            for descriptor in (*come, *go):
                os.close(descriptor)
            assert not mounted.closed
            assert shell("cat a", cwd=mountpoint).ok().text == "1\n"
        assert not is_mounted(mountpoint)

    def test_child_that_exits_as_a_program_does(self, mountpoint: Path) -> None:
        program = PROGRAM + (
            "child = os.fork()\n"
            "if child == 0: sys.exit(0)\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
            "assert open(os.path.join(sys.argv[1], 'a')).read() == '1'\n"
        )
        python("-W", "ignore", "-c", program, str(mountpoint)).ok()
        assert not is_mounted(mountpoint)

    def test_child_within_the_block(self, mountpoint: Path) -> None:
        program = (
            "import os, sys, fusetree\n"
            "with fusetree.mount({'a': '1'}, sys.argv[1]):\n"
            "    child = os.fork()\n"
            "    if child == 0: raise SystemExit(0)\n"
            "    assert os.waitpid(child, 0)[1] == 0\n"
            "    assert open(os.path.join(sys.argv[1], 'a')).read() == '1'\n"
        )
        python("-W", "ignore", "-c", program, str(mountpoint)).ok()
        assert not is_mounted(mountpoint)

    def test_clients_do_not_wait_for_a_child_of_a_killed_server(self, mountpoint: Path) -> None:
        program = PROGRAM + (
            "child = os.fork()\n"
            "if child == 0:\n"
            "    print('child', flush=True)\n"
            "    sys.stdin.read()\n"
            "    os._exit(0)\n"
            "mounted.wait()\n"
        )
        with subprocess.Popen(
            [PYTHON, "-W", "ignore", "-c", program, str(mountpoint)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"child\n"
            process.kill()
            process.wait(20)
            # "a" may still come out of the kernel's cache; a name that it was never asked for cannot.
            assert "not connected" in shell(f"cat {mountpoint}/b", timeout=10).error
            assert process.stdin is not None
            process.stdin.close()
        shell(f"fusermount3 -u {mountpoint}").ok()

    def test_subprocess(self, mountpoint: Path) -> None:
        with mount(TREE, mountpoint):
            done = subprocess.run(
                [PYTHON, "-c", "import os, sys; print(os.listdir(sys.argv[1]))", mountpoint],
                capture_output=True,
                check=True,
                timeout=20,
            )
            assert done.stdout == b"['a', 'sub']\n"

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_multiprocessing(self, mountpoint: Path, tmp_path: Path, method: str) -> None:
        script = tmp_path / "script.py"
        script.write_text(MULTIPROCESSING)
        assert python("-W", "ignore", script, mountpoint, method).ok().text == "a\n"
        assert not is_mounted(mountpoint)


def fuse_descriptors(process: int) -> list[str]:
    """The descriptors of a process that are open on the FUSE device."""
    found = []
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        try:
            if os.readlink(descriptor) == "/dev/fuse":
                found.append(descriptor.name)
        except FileNotFoundError:  # closed meanwhile
            continue
    return found
