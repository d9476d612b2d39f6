"""The scenarios of tests/scenarios/test_life.py on a real mount, and the death of a server."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import weakref
from pathlib import Path

import pytest

from fusetree import Dir, File, Mount, StaleMountError, mount
from tests.mount.conftest import Mounting
from tests.scenarios.trees import Settings, steered
from tests.support import collected, drop_caches, is_mounted, server, shell, wait_for

pytestmark = pytest.mark.mount

SERVE = Path(__file__).with_name("serve.py")


def _lookups(mount: Mount) -> int:
    table = mount.session.operations.inode_table
    assert table is not None
    table.check()
    return table.statistics().lookups


@pytest.mark.root
def test_lookup_counts_return_to_zero(mountpoint: Path, mounted: Mounting) -> None:
    mount = mounted(steered())
    shell(f"find {mountpoint} -type f | xargs cat > /dev/null; ls -lR {mountpoint}")
    assert _lookups(mount) > 0

    def forgotten() -> bool:
        drop_caches()
        return _lookups(mount) == 0

    wait_for(forgotten, what="the kernel to forget")
    assert shell(f"cat {mountpoint}/README").text == "hello\n"


@pytest.mark.root
def test_removed_nodes_are_collected_once_forgotten(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir({"keep": "x"})
    mounted(root)
    gone: list[weakref.ref[object]] = []
    for number in range(50):
        child = Dir({"file": File(b"x"), "settings": Settings()})
        gone += [weakref.ref(child), weakref.ref(child["file"]), weakref.ref(child["settings"])]
        root[f"d{number}"] = child
        del child
    shell(f"find {mountpoint} -type f -perm /444 ! -name token | xargs cat > /dev/null")
    for number in range(50):
        del root[f"d{number}"]

    def all_gone() -> bool:
        drop_caches()
        gc.collect()
        return all(reference() is None for reference in gone)

    wait_for(all_gone, what="removed nodes to be collected")
    assert shell(f"ls {mountpoint}").text == "keep\n"


def test_a_bug_in_user_code_is_eio_once_and_logged_and_the_mount_lives_on(
    mountpoint: Path, mounted: Mounting, caplog: pytest.LogCaptureFixture
) -> None:
    mounted(steered())
    with caplog.at_level(logging.ERROR, logger="fusetree"):
        assert "Input/output error" in shell(f"cat {mountpoint}/reports/broken").error
        assert "Traceback" in caplog.text
        assert "RuntimeError: a bug in user code" in caplog.text
        assert "reports/broken" in caplog.text
        assert "Input/output error" in shell(f"echo boom > {mountpoint}/settings/explode").error
    assert shell(f"cat {mountpoint}/README {mountpoint}/settings/jobs").text == "hello\n3\n"


def test_a_killed_server_leaves_a_mount_that_is_recognised_and_cleared(mountpoint: Path) -> None:
    with server(SERVE, mountpoint, mountpoint=mountpoint) as process:
        assert shell(f"cat {mountpoint}/f").text == "text\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert is_mounted(mountpoint)
        assert "not connected" in shell(f"ls {mountpoint}").error
        with pytest.raises(StaleMountError) as caught:
            mount({"f": "new\n"}, mountpoint)
        assert str(mountpoint) in str(caught.value)
        assert f"fusermount3 -u {mountpoint}" in str(caught.value)
        with mount({"f": "new\n"}, mountpoint, clear_stale=True):
            assert shell(f"cat {mountpoint}/f").text == "new\n"
        assert not is_mounted(mountpoint)


def test_two_mounts_in_one_process(tmp_path: Path, mountpoint: Path, mounted: Mounting) -> None:
    second = mountpoint.with_name(mountpoint.name + "-second")
    second.mkdir(mode=0o755)
    try:
        shared = Settings()
        one, two = Dir({"s": shared, "name": "one\n"}), Dir({"name": "two\n"})
        with mount(one, mountpoint, coherence_wait=10), mount(two, second):
            assert shell(f"cat {mountpoint}/name {second}/name").text == "one\ntwo\n"
            shared.jobs = 5
            assert shell(f"cat {mountpoint}/s/jobs").text == "5\n"
        with mount(one, mountpoint, coherence_wait=10) as first, mount(one, second, coherence_wait=10):
            for number in range(50):
                shared.jobs = number
                one[f"n{number}"] = "x"
                for place in (mountpoint, second):
                    assert (place / "s/jobs").read_text() == f"{number}\n"
                    assert (place / f"n{number}").exists()
            first.close()
            shared.jobs = 1000
            assert shell(f"cat {second}/s/jobs").text == "1000\n"
        assert not is_mounted(mountpoint)
        assert not is_mounted(second)
    finally:
        second.rmdir()


def test_unmounting_from_outside_ends_the_wait(mountpoint: Path) -> None:
    with mount({"f": "x"}, mountpoint) as m:
        assert not m.wait(0)
        shell(f"fusermount3 -u {mountpoint}").ok()
        assert m.wait(10)
    assert not is_mounted(mountpoint)


def test_closing_ends_all_threads(mountpoint: Path) -> None:
    before = set(threading.enumerate())
    m = mount(steered(), mountpoint)
    shell(f"find {mountpoint}").ok()
    m.close()
    m.close()
    assert [thread for thread in threading.enumerate() if thread not in before] == []
    assert not is_mounted(mountpoint)


def test_a_tree_is_let_go_after_its_mount(mountpoint: Path) -> None:
    root = steered()
    reference, settings = weakref.ref(root), weakref.ref(root["settings"])
    with mount(root, mountpoint):
        shell(f"ls -lR {mountpoint}")
    del root
    collected(reference)
    collected(settings)


def test_a_strict_mount_raises_the_bug(mountpoint: Path) -> None:
    with pytest.raises(BaseException) as caught:
        with mount(steered(), mountpoint, strict=True):
            shell(f"cat {mountpoint}/reports/broken")
    assert "a bug in user code" in repr(caught.value) + repr(getattr(caught.value, "exceptions", ""))
    assert not is_mounted(mountpoint)


@pytest.mark.root
def test_other_users_are_let_in_only_when_allowed(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir({"public": "x\n", "private": File(b"y", mode=0o600)})
    with mount(root, mountpoint):
        assert _as_nobody(mountpoint / "public") != 0
    with mount(root, mountpoint, allow_other=True):
        assert _as_nobody(mountpoint / "public") == 0
        assert _as_nobody(mountpoint / "private") != 0


def _as_nobody(path: Path) -> int:
    return shell(f"setpriv --reuid=65534 --regid=65534 --clear-groups cat {path}").status


def test_the_mountpoint_may_be_relative(mountpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mountpoint.parent)
    with mount({"f": "x"}, mountpoint.name):
        monkeypatch.chdir("/")
        assert (mountpoint / "f").read_text() == "x"
    assert not is_mounted(mountpoint)
    assert os.listdir(mountpoint) == []
