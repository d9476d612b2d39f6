"""The command: what it mounts, what it says, and with which status it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fusetree import Dir, cli
from tests.support import Completed, is_mounted, python, server, shell

APP = """
import fusetree

root = fusetree.Dir({"a": "1\\n"})
mapping = {"b": "2\\n"}
number = 3

class Tree(fusetree.Dir):
    pass

def made():
    return {"c": "3\\n"}

def failing():
    raise ZeroDivisionError("a bug")

class Space:
    inner = fusetree.Dir()

def strict():
    return {"broken": failing}
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module "some_app" in the current directory."""
    file = tmp_path / "some_app.py"
    file.write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "some_app", raising=False)
    return file


def fusetree(*arguments: str | Path) -> Completed:
    """Run the command in a process of its own."""
    return python("-m", "fusetree", *(os.fspath(argument) for argument in arguments))


class TestLoadTarget:
    @pytest.mark.parametrize("source", ["some_app", "some_app.py", "./some_app.py"])
    def test_finds_a_name_in_a_module_or_file(self, app: Path, source: str) -> None:
        found = cli.load_target(f"{source}:root")
        assert isinstance(found, Dir)
        assert list(found) == ["a"]

    def test_names_may_have_dots(self, app: Path) -> None:
        assert isinstance(cli.load_target("some_app:Space.inner"), Dir)

    def test_file_at_an_absolute_path_imports_what_stands_beside_it(self, app: Path) -> None:
        (app.parent / "beside.py").write_text("value = {'x': '1'}\n")
        (app.parent / "main_app.py").write_text("from beside import value as root\n")
        os.chdir("/")
        assert cli.load_target(f"{app.parent}/main_app.py:root") == {"x": "1"}

    @pytest.mark.parametrize(
        ("target", "said"),
        [
            ("some_app", "not of the form"),
            (":root", "not of the form"),
            ("some_app:", "not of the form"),
            ("no_such_module:root", "there is no module 'no_such_module'"),
            ("some_app.sub:root", "there is no module 'some_app.sub'|'some_app' is not a package"),
            ("no_such_file.py:root", "there is no file no_such_file.py"),
            ("some_app:tree", r"some_app has no 'tree'; it has root, mapping"),
            ("some_app.py:tree", r"some_app.py has no 'tree'; it has root, mapping"),
        ],
    )
    def test_what_is_not_there(self, app: Path, target: str, said: str) -> None:
        with pytest.raises(cli.TargetError, match=said):
            cli.load_target(target)

    def test_a_module_that_the_module_lacks_is_its_own_error(self, app: Path) -> None:
        app.write_text("import no_such_library\n")
        with pytest.raises(ModuleNotFoundError, match="no_such_library"):
            cli.load_target("some_app:root")


class TestAsRoot:
    @pytest.mark.parametrize("name", ["root", "mapping", "Tree", "made"])
    def test_what_can_be_mounted(self, app: Path, name: str) -> None:
        root = cli.as_root(cli.load_target(f"some_app:{name}"), name)
        assert isinstance(root, (Dir, dict))

    @pytest.mark.parametrize(("name", "said"), [("number", "is int"), ("Space", "gives Space")])
    def test_what_cannot(self, app: Path, name: str, said: str) -> None:
        with pytest.raises(cli.TargetError, match=said):
            cli.as_root(cli.load_target(f"some_app:{name}"), f"some_app:{name}")


class TestErrors:
    """One line on stderr, and a status: 1 for the machine, 2 for the command line."""

    @pytest.mark.parametrize(
        ("arguments", "status", "said"),
        [
            (["mount", "no_such_module:x", "."], 2, "there is no module 'no_such_module'"),
            (
                ["mount", "some_app:number", "."],
                2,
                "some_app:number is int, neither a directory node nor a mapping",
            ),
            (["mount", "some_app:root", "gone"], 1, "the mountpoint is not there; make it first"),
            (["mount", "some_app:root", "some_app.py"], 1, "not a directory"),
            (["mount", "--workers", "0", "some_app:root", "."], 2, "at least one handler"),
            (["mount", "-o", "nonempty", "some_app:root", "."], 2, "nonempty"),
            (["umount", "."], 1, "nothing is mounted there"),
            (["umount", "/proc"], 1, "no FUSE file system"),
        ],
    )
    def test_said_in_one_line(
        self, app: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str
    ) -> None:
        assert cli.main(arguments) == status
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("fusetree: ")
        assert err.count("\n") == 1
        assert said in err

    def test_an_error_of_the_tree_itself_is_shown_whole(
        self, app: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["mount", "some_app:failing", "."]) == 2
        err = capfd.readouterr().err
        assert "ZeroDivisionError: a bug" in err
        assert "could not be loaded" in err

    def test_nothing_to_do(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert cli.main([]) == 2
        assert "usage: fusetree" in capfd.readouterr().err

    def test_unknown_command(self) -> None:
        with pytest.raises(SystemExit) as caught:
            cli.main(["dance"])
        assert caught.value.code == 2


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(r"fusetree \d+\.\d+\.\d+\n", capfd.readouterr().out)


def test_version_of_everything(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version", "--verbose"]) == 0
    out = capfd.readouterr().out
    for word in ("fusetree", "Python", "kernel", "libfuse", "custom_io"):
        assert word in out


def test_version_without_the_core(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug report is wanted most where the core cannot even be loaded."""
    monkeypatch.setitem(sys.modules, "fusetree.lowlevel", None)
    assert cli.main(["--version", "--verbose"]) == 0
    assert "cannot be loaded" in capfd.readouterr().out


@pytest.mark.mount
class TestMount:
    @pytest.mark.parametrize(
        ("target", "content"),
        [("some_app:root", "a\n1\n"), ("some_app.py:mapping", "b\n2\n"), ("some_app:made", "c\n3\n")],
    )
    def test_serves_until_it_is_unmounted(
        self, app: Path, mountpoint: Path, target: str, content: str
    ) -> None:
        with server("-m", "fusetree", "mount", target, mountpoint, mountpoint=mountpoint) as process:
            assert shell("ls; cat *", cwd=mountpoint).ok().text == content
            fusetree("umount", mountpoint).ok()
            assert process.wait(20) == 0
        assert not is_mounted(mountpoint)

    def test_ctrl_c_ends_it_well(self, app: Path, mountpoint: Path) -> None:
        with server(
            "-m",
            "fusetree",
            "mount",
            "some_app:root",
            mountpoint,
            mountpoint=mountpoint,
            stderr=subprocess.PIPE,
        ) as process:
            shell("ls", cwd=mountpoint).ok()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
            assert process.returncode == 0
            assert b"Traceback" not in err
        assert not is_mounted(mountpoint)

    def test_options(self, app: Path, mountpoint: Path) -> None:
        words = [
            "mount",
            "--ro",
            "--no-kernel-cache",
            "--workers",
            "2",
            "-o",
            "fsname=mine,noatime",
            "-o",
            "noexec",
        ]
        with server("-m", "fusetree", *words, "some_app:root", mountpoint, mountpoint=mountpoint):
            line = next(
                line for line in Path("/proc/mounts").read_text().splitlines() if str(mountpoint) in line
            )
            assert line.startswith("mine ")
            assert {"ro", "noatime", "noexec", "nosuid"} <= set(line.split()[3].split(","))

    def test_twice_at_one_place(self, app: Path, mountpoint: Path) -> None:
        with server("-m", "fusetree", "mount", "some_app:root", mountpoint, mountpoint=mountpoint):
            again = fusetree("mount", "some_app:root", mountpoint)
            assert again.status == 1
            assert "mounted there already" in again.error
            shell("cat a", cwd=mountpoint).ok()

    def test_stale_mount(self, app: Path, mountpoint: Path) -> None:
        with server("-m", "fusetree", "mount", "some_app:root", mountpoint, mountpoint=mountpoint) as process:
            process.kill()
            process.wait(20)
            refused = fusetree("mount", "some_app:root", mountpoint)
            assert refused.status == 1
            assert "--clear-stale" in refused.error
            fusetree("umount", mountpoint).ok()
            assert not is_mounted(mountpoint)

    def test_clear_stale(self, app: Path, mountpoint: Path) -> None:
        with server("-m", "fusetree", "mount", "some_app:root", mountpoint, mountpoint=mountpoint) as process:
            process.kill()
            process.wait(20)
            words = [
                sys.executable,
                "-m",
                "fusetree",
                "mount",
                "--clear-stale",
                "some_app:root",
                str(mountpoint),
            ]
            with subprocess.Popen(words, stderr=subprocess.PIPE) as second:
                assert second.stderr is not None
                assert b"mounted" in second.stderr.readline()  # said when it answers
                assert shell("cat a", cwd=mountpoint).ok().text == "1\n"
                second.terminate()
                assert second.wait(20) == 0

    def test_strict(self, app: Path, mountpoint: Path) -> None:
        words = ["mount", "--strict", "some_app:strict", str(mountpoint)]
        with server("-m", "fusetree", *words, mountpoint=mountpoint, stderr=subprocess.PIPE) as process:
            assert "Input/output error" in shell("cat broken", cwd=mountpoint).error
            _, err = process.communicate(timeout=20)
            assert process.returncode == 1
            assert b"ZeroDivisionError: a bug" in err
        assert not is_mounted(mountpoint)

    def test_busy(self, app: Path, mountpoint: Path) -> None:
        with server("-m", "fusetree", "mount", "some_app:root", mountpoint, mountpoint=mountpoint):
            with (mountpoint / "a").open():
                busy = fusetree("umount", mountpoint)
                assert busy.status == 1
                assert "busy" in busy.error
                fusetree("umount", "--lazy", mountpoint).ok()
            assert not is_mounted(mountpoint)


class TestTree:
    def test_prints_what_would_be_mounted(self, app: Path) -> None:
        done = fusetree("tree", "some_app:root").ok()
        assert done.text == "dr-xr-xr-x - /\n-r--r--r-- 2 └── a\n"
        assert fusetree("tree", "-L", "0", "some_app:mapping").ok().text == "dr-xr-xr-x - /\n"

    def test_a_terminal_that_cannot_show_it_gets_escapes(self, app: Path) -> None:
        done = python("-m", "fusetree", "tree", "some_app:root", env={"PYTHONIOENCODING": "ascii"}).ok()
        assert done.text == "dr-xr-xr-x - /\n-r--r--r-- 2 \\u2514\\u2500\\u2500 a\n"

    def test_what_is_no_tree(self, app: Path) -> None:
        assert fusetree("tree", "some_app:number").status == 2
        failed = fusetree("tree", "some_app:failing")
        assert failed.status == 2
        assert "a bug" in failed.error
        assert "its own error is above" in failed.error
