"""The list of POSIX checks: a host directory passes it, and what breaks a rule is told."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fusetree.testing import posix
from fusetree.testing.posix import Check, Features, Place, Status, Unsupported, checks
from fusetree.testing.posix.__main__ import main
from fusetree.testing.posix.expect import equal, fails
from fusetree.testing.posix.registry import Group


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Features]:
    folder = tmp_path_factory.mktemp("host")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)  # other users go through pytest's folders
    return folder, Features(folder)


@pytest.mark.parametrize("check", checks, ids=str)
def test_a_host_directory_passes(check: Check, host: tuple[Path, Features]) -> None:
    directory, features = host
    check(directory, features)
    assert os.listdir(directory) == []


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no tmpfs at /dev/shm")
def test_a_tmpfs_passes() -> None:
    failed = [str(result) for result in posix.run(checks, "/dev/shm") if result.status is Status.FAILED]
    assert failed == []


def test_there_are_enough_checks_with_names_and_sources() -> None:
    assert len(checks) >= 300
    assert len({str(check) for check in checks}) == len(checks)
    assert all(check.source for check in checks)
    assert min(Counter(check.group for check in checks).values()) >= 3


def _result(body: Callable[[Place], object], directory: Path, patience: float = 20) -> posix.Result:
    (result,) = posix.run([Check("made", "up", "nowhere(9)", (), body)], directory, patience=patience)
    assert patience < 20 or os.listdir(directory) == []
    return result


class TestResults:
    def test_expected_and_come_are_told(self, tmp_path: Path) -> None:
        result = _result(
            lambda place: equal(place.stat(place.file("f", b"abc")[-1]).st_size, 4, "st_size"), tmp_path
        )
        assert (result.status, result.expected, result.came) == (Status.FAILED, "st_size 4", "3")
        assert "nowhere(9)" in str(result)

    def test_an_error_that_must_come_and_does_not(self, tmp_path: Path) -> None:
        def body(place: Place) -> None:
            with fails(errno.EEXIST):
                place.file()

        result = _result(body, tmp_path)
        assert (result.status, result.expected, result.came) == (Status.FAILED, "EEXIST", "success")

    def test_another_error_than_the_one_that_must_come(self, tmp_path: Path) -> None:
        def body(place: Place) -> None:
            with fails(errno.EEXIST, errno.EISDIR):
                os.stat(place / "none")

        result = _result(body, tmp_path)
        assert (result.expected, result.came) == ("EEXIST or EISDIR", "ENOENT")

    def test_an_error_that_must_not_come(self, tmp_path: Path) -> None:
        result = _result(lambda place: os.rmdir(place / "none"), tmp_path)
        assert result.status is Status.FAILED
        assert result.expected == "success"
        assert result.came.startswith("ENOENT from")

    def test_a_check_that_breaks_is_a_failure(self, tmp_path: Path) -> None:
        def body(place: Place) -> None:
            raise LookupError("a bug")

        result = _result(body, tmp_path)
        assert result.status is Status.FAILED
        assert "LookupError" in result.came

    def test_a_check_that_hangs_is_a_failure(self, tmp_path: Path) -> None:
        go_on = threading.Event()
        result = _result(lambda place: go_on.wait(20), tmp_path, patience=0.05)
        go_on.set()
        assert result.status is Status.FAILED
        assert "none within" in result.came

    def test_what_is_not_supported_is_skipped(self, tmp_path: Path) -> None:
        def body(place: Place) -> None:
            raise Unsupported("no such thing")

        assert _result(body, tmp_path).status is Status.SKIPPED


class TestFeatures:
    def test_a_lacking_feature_skips_and_a_required_one_does_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*arguments: object, **options: object) -> None:
            raise OSError(errno.EOPNOTSUPP, "no links here")

        monkeypatch.setattr(os, "link", refuse)
        assert Features(tmp_path).lack("hard links") == errno.errorcode[errno.EOPNOTSUPP]
        with pytest.raises(Unsupported, match="hard links"):
            Features(tmp_path).require("hard links")
        Features(tmp_path, frozenset({"hard links"})).require("hard links")

    def test_each_need_is_a_feature_and_each_feature_is_needed(self) -> None:
        assert {need for check in checks for need in check.needs} == set(posix.feature_names())


class TestPlace:
    @pytest.mark.root
    def test_another_user_is_the_thread_alone(self, host: tuple[Path, Features]) -> None:
        with Place.make(*host) as place:
            assert place.as_user(lambda: (os.getuid(), os.getgid(), os.getgroups()), 7, 8, (9,)) == (
                7,
                8,
                [9],
            )
            assert os.getuid() == 0
            with pytest.raises(PermissionError):
                place.as_user(lambda: os.mkdir(place / "d"))

    def test_all_is_removed_whatever_its_mode(self, tmp_path: Path) -> None:
        with Place.make(tmp_path, Features(tmp_path)) as place:
            place.dir("a")
            place.dir("a/b")
            place.file("a/b/c", mode=0)
            os.chmod(place / "a/b", 0)
            os.chmod(place / "a", 0)
        assert os.listdir(tmp_path) == []

    def test_descriptors_are_closed(self, tmp_path: Path) -> None:
        with Place.make(tmp_path, Features(tmp_path)) as place:
            place.file()
            fd, early = place.open("f"), place.open("f")
            place.close(early)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)

    def test_a_tick_is_seen_in_timestamps(self, tmp_path: Path) -> None:
        with Place.make(tmp_path, Features(tmp_path)) as place:
            began = time.monotonic()
            first = os.stat(place.file("a")).st_ctime_ns
            place.tick()
            assert os.stat(place.file("b")).st_ctime_ns > first
            assert time.monotonic() - began < 5

    def test_a_long_path_takes_a_socket(self, tmp_path: Path) -> None:
        with Place.make(tmp_path, Features(tmp_path)) as place:
            place.dir("x" * 200)
            inner = Place(place / ("x" * 200), place.features, place._stack)
            assert stat.S_ISSOCK(os.stat(inner.socket()).st_mode)


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="open/a-missing-name"):
        Group("open", "open(2)").add("a-missing-name", lambda place: None)


class TestCommand:
    def test_a_good_directory(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([str(tmp_path), "--only", "mkdir", "--only", "open/truncates", "-v"]) == 0
        output = capsys.readouterr().out
        assert "ok       open/truncates" in output
        assert "FAILED   " not in output

    def test_a_failure_is_told_and_the_status_is_1(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "truncate", lambda path, size: None)
        assert main([str(tmp_path), "--only", "truncate/shorter"]) == 1
        assert "expected content b'abc'; came b'abcdef'" in capsys.readouterr().out

    def test_the_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--list", "--only", "tmpfile"]) == 0
        assert "tmpfile/has-no-name" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "arguments", [[], ["/nonexistent"], [".", "--only", "nothing"], [".", "--require", "wings"]], ids=str
    )
    def test_bad_arguments(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
