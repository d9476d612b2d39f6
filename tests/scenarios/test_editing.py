"""What editors do to entries: files beside them, renamed onto them, and entries moved out of the way."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from fusetree import Dir, EditableDir, File, MemoryDir, Symlink, action, computed, entry, node
from fusetree.nodes import ScratchFile
from fusetree.testing import Client, NotifyCode
from tests.support import raises_errno, wait_for


@node
class Settings(EditableDir):
    level: str = entry("info", validator=attrs.validators.in_(["debug", "info"]))
    tags: dict[str, int] = entry(factory=lambda: {"a": 1}, name="tags.json")
    fixed: int = entry(3, writable=False)
    token: str = entry("s3cret", mode=0o200)
    inside: Dir | None = None

    @computed
    def now(self) -> str:
        return "now"

    @action
    def reset(self) -> None: ...


def settings() -> Settings:
    return Settings(children={"motd": File("hello\n", mode=0o644), "readme": File("read\n")})


def replace(client: Client, name: str, content: str, scratch: str = "s/sedAbC") -> None:
    """As `sed -i` does."""
    client.write(scratch, content, create=True)
    client.chmod(scratch, 0o644)
    client.rename(scratch, f"s/{name}")


@pytest.mark.parametrize("kernel_cache", [True, False])
def test_a_file_that_is_renamed_onto_an_entry_is_stored_into_it(kernel_cache: bool) -> None:
    mine = settings()
    level = mine["level"]
    with Client(Dir({"s": mine}), kernel_cache=kernel_cache) as client:
        before = client.stat("s/level").st_ino
        assert client.read_text("s/level") == "info\n"
        since = len(client.notifications)
        replace(client, "level", "debug\n")
        assert mine.level == "debug"
        assert mine["level"] is level, "the entry stays the node that it was"
        client.notifications.wait(NotifyCode.INVAL_ENTRY, name=b"level", since=since)
        assert client.read_text("s/level") == "debug\n"
        assert client.stat("s/level").st_ino == before
        assert client.stat("s/level").st_nlink == 1
        assert "sedAbC" not in client.listdir("s")
        replace(client, "tags.json", '{"b": 2}')
        assert mine.tags == {"b": 2}
        replace(client, "motd", "bye\n")
        motd: Any = mine["motd"]
        assert motd.content() == b"bye\n"
        replace(client, "token", "new")
        assert mine.token == "new"


@pytest.mark.parametrize("name", ["level", "tags.json"])
def test_what_an_entry_does_not_take_leaves_both_as_they_were(name: str) -> None:
    mine = settings()
    with Client(Dir({"s": mine})) as client:
        with raises_errno(errno.EINVAL):
            replace(client, name, "{bad")
        assert (mine.level, mine.tags) == ("info", {"a": 1})
        assert client.read_text("s/sedAbC") == "{bad"
        client.unlink("s/sedAbC")
        assert sorted(client.listdir("s")) == sorted(mine)
        assert client.read_text("s/level") == "info\n"


def test_in_the_moment_before_the_kernel_knows_it_asks_again() -> None:
    """The kernel takes the stored file for the entry: opening it by name must reach the entry."""
    mine = settings()
    with Client(Dir({"s": mine})) as client:
        client.write("s/new", "debug", create=True)
        scratch = client.node_id("s/new")
        with client.open("s/new") as held:
            client.rename("s/new", "s/level")
            with raises_errno(errno.ESTALE):
                client.raw.open(scratch, os.O_WRONLY)
            with raises_errno(errno.ESTALE):
                client.raw.setattr(scratch, size=0)
            assert held.read() == b"debug", "who had it open goes on"
        client.write("s/level", "info\n")
        assert mine.level == "info"


def test_an_entry_that_is_moved_away_leaves_a_copy_and_comes_back() -> None:
    """As vim does with backupcopy=no."""
    mine = settings()
    level = mine["level"]
    with Client(Dir({"s": mine})) as client:
        client.read_text("s/level")
        client.rename("s/level", "s/level~")
        assert not client.exists("s/level")
        assert "level" not in client.listdir("s")
        mine.level = "debug"  # the attribute has no need of the name
        mine.level = "info"
        with client.open("s/level", os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            file.write("debug\n")
        assert mine.level == "debug"
        assert mine["level"] is level
        assert client.read_text("s/level") == "debug\n"
        client.notifications.wait(NotifyCode.INVAL_ENTRY, name=b"level~")
        assert client.read_text("s/level~") == "info\n"
        assert isinstance(mine["level~"], ScratchFile)
        assert stat.S_IMODE(client.stat("s/level~").st_mode) == 0o644
        client.rename("s/level~", "s/level")
        assert mine.level == "info"
        assert mine["level"] is level


def test_an_absent_entry_is_told_of_when_it_changes() -> None:
    mine = settings()
    with Client(Dir({"s": mine}), coherence_wait=10.0) as client, client.open("s/level") as held:
        assert client.read_text("s/level") == "info\n"
        client.unlink("s/level")
        assert held.stat().st_size == 5
        mine.level = "debug"
        assert held.stat().st_size == 6
        with client.open("s/level", os.O_RDONLY | os.O_CREAT) as file:
            assert file.read() == b"debug\n"
        assert client.stat("s/level").st_size == 6
        assert client.stat("s/level").st_uid == os.geteuid()


def test_an_entry_that_is_removed_keeps_its_value() -> None:
    """As mv from another file system does: unlink, then a new file."""
    mine = settings()
    with Client(Dir({"s": mine})) as client:
        for name in ("level", "motd"):
            client.unlink(f"s/{name}")
            assert name not in mine
        assert mine.level == "info"
        with client.as_user(uid=0, gid=7):
            client.write("s/level", "debug", create=True)
        assert mine.level == "debug"
        assert client.stat("s/level").st_gid == os.getegid(), "it is no file of who made it"
        with client.open("s/motd", os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            file.write("new\n")
        motd: Any = mine["motd"]
        assert motd.content() == b"new\n", "a file that was made begins empty"
        assert type(motd) is File
        client.unlink("s/tags.json")
        with client.open("s/tags.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            file.write("{}")
        assert mine.tags == {}
        client.unlink("s/level")
        replace(client, "level", "info")
        assert mine.level == "info"


def test_one_entry_may_be_moved_onto_another() -> None:
    mine = settings()
    mine["other"] = File("debug\n", mode=0o644)
    with Client(Dir({"s": mine})) as client:
        client.rename("s/other", "s/level")
        assert mine.level == "debug"
        assert not client.exists("s/other")
        client.write("s/other", "again\n", create=True)
        assert client.read_text("s/other") == "again\n"


def test_scratch_files_are_files_like_any_other() -> None:
    mine = settings()
    with Client(Dir({"s": mine})) as client:
        with client.open("s/.level.swp", os.O_RDWR | os.O_CREAT | os.O_EXCL, permissions=0o600) as swap:
            swap.pwrite(b"x" * 5000, 4096)
            assert swap.pread(3, 4096) == b"xxx"
            swap.truncate(10)
            swap.fsync()
        client.utime("s/.level.swp", ns=(1, 2))
        client.rename("s/.level.swp", "s/.level.swo")
        client.write("s/4913", "", create=True)
        client.rename("s/4913", "s/.level.swo")
        client.symlink("me@host.1", "s/.#level")
        assert client.readlink("s/.#level") == "me@host.1"
        client.unlink("s/.#level")
        client.unlink("s/.level.swo")
        assert sorted(client.listdir("s")) == sorted(mine)


def test_there_is_a_limit_to_scratch_files() -> None:
    class Small(EditableDir):
        scratch_bytes = 8192
        scratch_files = 2

    small = Small()
    with Client(Dir({"s": small})) as client:
        client.write("s/a", "x" * 4096, create=True)
        with raises_errno(errno.ENOSPC):
            client.write("s/b", "x" * 8192, create=True)
        with raises_errno(errno.ENOSPC):
            client.write("s/c", "", create=True)
        client.unlink("s/a")
        client.drop_caches()
        space: Any = small._scratch_
        wait_for(lambda: space.used_inodes == 1, what="the removed file to be forgotten")
        client.write("s/b", "x" * 8192)


@pytest.mark.parametrize("name", ["fixed", "now", "reset", "readme", "below"])
def test_what_cannot_be_written_stays(name: str) -> None:
    mine = settings()
    mine["below"] = Dir()
    with Client(Dir({"s": mine})) as client:
        client.write("s/new", "4", create=True)
        refusals: list[Callable[[], None]] = [
            lambda: client.rename("s/new", f"s/{name}"),
            lambda: client.rename(f"s/{name}", "s/x"),
            lambda: client.unlink(f"s/{name}"),
        ]
        for refused in refusals:
            with raises_errno(errno.EROFS, *([errno.EISDIR] if name == "below" else [])):
                refused()
        assert mine.fixed == 3


def test_what_is_not_asked_for_is_refused() -> None:
    mine = settings()
    tree = Dir(
        {"s": mine, "memory": MemoryDir({"f": "x"}), "plain": Dir({"f": File("x", mode=0o644)}, 0o755)}
    )
    with Client(tree) as client:
        client.write("s/new", "debug", create=True)
        with raises_errno(errno.EINVAL):
            client.rename("s/new", "s/level", flags=2)  # RENAME_EXCHANGE
        with raises_errno(errno.EEXIST):
            client.rename("s/new", "s/level", flags=1)
        with raises_errno(errno.EXDEV):
            client.rename("s/new", "memory/f")
        with raises_errno(errno.EXDEV):
            client.rename("memory/f", "s/level")
        with raises_errno(errno.EROFS):
            client.rename("s/new", "plain/f")
        with raises_errno(errno.EROFS):
            client.write("s/inside", "", create=True)
        with raises_errno(errno.EROFS):
            client.mkdir("s/d")
        client.unlink("s/level")
        with raises_errno(errno.EROFS):
            client.symlink("x", "s/level")
        client.symlink("x", "s/link")
        with raises_errno(errno.EINVAL):
            client.rename("s/link", "s/level")
        assert mine.level == "info"
        assert isinstance(mine["link"], Symlink)
    with Client(Dir({"s": settings()}), ro=True) as client, raises_errno(errno.EROFS):
        client.write("s/new", "", create=True)


def test_who_may_is_said_by_the_mode_of_the_directory() -> None:
    mine = settings()
    with Client(Dir({"s": mine})) as client, client.as_user(uid=1000, gid=1000):
        with raises_errno(errno.EACCES):
            client.write("s/new", "debug", create=True)
        mine.mode = 0o777
        replace(client, "level", "debug")
        assert mine.level == "debug"
        # The kernel took the new file for it, and is told better after the answer.
        wait_for(lambda: client.stat("s/level").st_uid == os.geteuid())


def test_all_other_directories_stay_read_only() -> None:
    @node
    class Plain(Dir):
        level: str = entry("info")

    with Client(Dir({"s": Plain(mode=0o755)})) as client:
        for refused in (
            lambda: client.write("s/new", "", create=True),
            lambda: client.unlink("s/level"),
            lambda: client.rename("s/level", "s/x"),
        ):
            with raises_errno(errno.EROFS):
                refused()


def test_two_mounts_of_one_tree_see_the_same() -> None:
    mine = settings()
    tree = Dir({"s": mine})
    with Client(tree, coherence_wait=10.0) as one, Client(tree, coherence_wait=10.0) as two:
        for client in (one, two):
            assert client.read_text("s/level") == "info\n"
        one.write("s/new", "debug", create=True)
        assert two.read_text("s/new") == "debug"
        since = len(two.notifications)
        one.rename("s/new", "s/level")
        two.notifications.wait(NotifyCode.INVAL_INODE, since=since)
        assert two.read_text("s/level") == "debug\n"
        one.unlink("s/level")
        two.notifications.wait(name=b"level", since=since)
        assert not two.exists("s/level")
        two.write("s/level", "info", create=True)
        assert mine.level == "info"
