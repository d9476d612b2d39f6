"""A host directory without any mount: what is found in it and what never is, identity, descriptors, ids."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from fusetree import Attributes, Dir, File, FileNode, HostDir, HostFile, node
from fusetree.flags import RENAME_EXCHANGE, RENAME_NOREPLACE
from fusetree.nodes import Node, callers, path_of
from fusetree.nodes.host import calls
from fusetree.nodes.host.acting import as_caller
from fusetree.nodes.host.inodes import HostInode
from fusetree.nodes.host.opened import HostWriter
from tests.support import raises_errno, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="other users' ids take root")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "d" / "e").mkdir(parents=True)
    (source / "f").write_text("text\n")
    (source / "d" / "g").write_text("below\n")
    (source / "link").symlink_to("d/g")
    (source / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s").write_text("secret\n")
    return source


def file_at(directory: Dir, path: str) -> HostFile:
    found = directory[path]
    assert isinstance(found, HostFile)
    return found


def held_below(folder: Path) -> int:
    """How many descriptors of this process lead there."""
    targets = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            targets.append(os.readlink(f"/proc/self/fd/{name}"))
    return sum(target.startswith(f"{folder}/") for target in targets)


def directory_at(directory: Dir, path: str) -> HostDir:
    found = directory[path]
    assert isinstance(found, HostDir)
    return found


# ---------------------------------------------------------------------------------------- what is shown


def test_what_is_there_is_shown(source: Path) -> None:
    root = HostDir(source)
    assert sorted(root) == ["d", "f", "link", "out"]
    assert len(root) == 4
    assert file_at(root, "f").content() == b"text\n"
    assert file_at(root, "d/g").content() == b"below\n"
    assert "d/e" in root
    assert root.lookup("nothing") is None
    found = os.stat(source / "f")
    shown = root["f"].getattr()  # type: ignore[attr-defined]
    assert shown == Attributes(
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        size=5,
        atime_ns=found.st_atime_ns,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
        nlink=1,
        blocks=found.st_blocks,
    )
    assert root["f"].ino == found.st_ino
    assert root.ttl == root["f"].ttl == 1.0
    assert HostDir(source, ttl=5)["d"].ttl == 5


def test_a_link_is_shown_and_not_followed(source: Path) -> None:
    root = HostDir(source)
    link = root["link"]
    assert (link.file_type, link.target) == (stat.S_IFLNK, "d/g")  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        root["out/s"]


@pytest.mark.parametrize("name", ["", ".", "..", "d/g", "../secret", "a\0b"])
def test_what_is_no_name_is_refused(source: Path, name: str) -> None:
    root = HostDir(source, writable=True)
    with raises_errno(errno.EINVAL):
        root.lookup(name)
    for make in (
        lambda: root.create(name, 0o600),
        lambda: root.mkdir(name, 0o700),
        lambda: root.unlink(name),
        lambda: root.rename("f", root, name, 0),
    ):
        with raises_errno(errno.EINVAL):
            make()
    with pytest.raises(KeyError):
        root["d/../f"]


def test_names_that_are_not_utf8_survive(source: Path) -> None:
    (Path(os.fsdecode(os.fsencode(source) + b"/\xff"))).write_text("x")
    root = HostDir(source, writable=True)
    assert "\udcff" in list(root)
    assert file_at(root, "\udcff").content() == b"x"
    root.rename("\udcff", root, "\udcfe", 0)
    assert os.path.exists(os.fsencode(source) + b"/\xfe")


def test_nobody_gets_out_by_swapping_a_directory_and_a_link(source: Path, tmp_path: Path) -> None:
    """While a directory and a link that leads outside change places, all that is ever seen lies inside."""
    (source / "d" / "s").write_text("inside\n")
    (source / "other").symlink_to(tmp_path / "secret")
    # A small limit: descriptors are closed and found again by the whole path, all the time.
    root = HostDir(source, writable=True, max_descriptors=1)
    ends = threading.Event()

    def swap() -> None:
        directory = os.open(source, os.O_PATH)
        try:
            while not ends.is_set():
                calls.rename(directory, b"d", directory, b"other", RENAME_EXCHANGE)
        finally:
            os.close(directory)

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for number in range(4000):
            try:
                here = root.lookup("d")
                if isinstance(here, HostDir):
                    found = here.lookup("s")
                    root.lookup("f")  # takes the one descriptor
                    if isinstance(found, HostFile):
                        seen.add(found.content())
                    if number % 100 == 0:
                        here.create(f"new{number}", 0o600)
            except OSError as error:
                if error.errno != errno.ESTALE:
                    raise
    finally:
        ends.set()
        thread.join()
    assert seen == {b"inside\n"}
    assert os.listdir(tmp_path / "secret") == ["s"]


def test_a_chain_of_names_is_opened_beneath(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "d" / "up").symlink_to("..")
    directory = os.open(source, os.O_PATH)
    try:
        for has in (True, False):
            monkeypatch.setattr(calls, "_has_openat2", has)
            os.close(calls.open_below(directory, [b"d", b"e"], os.O_PATH))
            for names in ([b"out", b"s"], [b"d", b"up", b"f"], [b"link", b"x"]):
                with raises_errno(errno.ELOOP, errno.ENOTDIR):
                    calls.open_below(directory, names, os.O_RDONLY)
        # Where the kernel, or a sandbox, does not know openat2(2), it is walked from then on.
        monkeypatch.setattr(calls, "_has_openat2", True)
        monkeypatch.setattr(calls, "_OPENAT2", 99_999)
        os.close(calls.open_below(directory, [b"d", b"e"], os.O_PATH))
        assert calls._has_openat2 is False
    finally:
        os.close(directory)


# ---------------------------------------------------------------------------------------------- identity


def test_one_file_is_one_node_by_whatever_name(source: Path) -> None:
    os.link(source / "f", source / "d" / "hard")
    root = HostDir(source)
    node = root["f"]
    assert root["d/hard"] is node
    assert node.nlink == 2
    os.rename(source / "d", source / "moved")
    assert root["moved/hard"] is node
    assert root["moved"] is root["moved"]


def test_a_node_goes_where_the_host_moves_it(source: Path) -> None:
    root = HostDir(source)
    file, directory = file_at(root, "d/g"), root["d"]
    os.rename(source / "d" / "g", source / "elsewhere")
    os.rename(source / "d", source / "d2")
    assert file.content() == b"below\n"
    assert isinstance(directory, HostDir)
    assert sorted(directory) == ["e"]
    assert root["elsewhere"] is file
    assert path_of(file) == "/elsewhere"
    assert file.host_path == str(source / "elsewhere")


def test_a_node_is_not_kept_when_nobody_has_it(source: Path) -> None:
    root = HostDir(source)
    nodes = [root["f"], root["d/g"], root["link"]]
    assert held_below(source) == 4  # "d" among them
    del nodes
    gc.collect()
    assert held_below(source) == 0


def test_more_files_than_descriptors(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"d{number % 10}").mkdir(exist_ok=True)
        (tmp_path / f"d{number % 10}" / f"f{number}").write_text(f"{number}\n")
    root = HostDir(tmp_path, writable=True, max_descriptors=8)
    nodes = {number: file_at(root, f"d{number % 10}/f{number}") for number in range(100)}
    assert held_below(tmp_path) <= 8
    for number, file in nodes.items():
        assert file.content() == b"%d\n" % number
        assert root[f"d{number % 10}/f{number}"] is file
    assert held_below(tmp_path) <= 8
    # Moved through us, they are found again; moved behind our back, when they are next looked up.
    root["d3"].rename("f13", root, "here", 0)  # type: ignore[attr-defined]
    os.rename(tmp_path / "d4" / "f14", tmp_path / "there")
    for number in range(20, 60):
        nodes[number].content()
    assert nodes[13].content() == b"13\n"
    assert not nodes[14]._inode_.is_held
    with raises_errno(errno.ESTALE):
        nodes[14].content()
    assert root["there"] is nodes[14]
    assert nodes[14].content() == b"14\n"


def test_what_is_open_or_has_no_name_any_more_keeps_its_descriptor(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"f{number}").write_text(f"{number}\n")
    root = HostDir(tmp_path, writable=True, max_descriptors=4)
    opened, gone = file_at(root, "f0"), file_at(root, "f1")
    handle = opened.open(os.O_RDONLY)
    root.unlink("f1")
    os.rename(tmp_path / "f0", tmp_path / "moved")
    others = [file_at(root, f"f{number}") for number in range(2, 50)]
    assert opened.getattr().size == 2
    assert (gone.getattr().nlink, gone.content()) == (0, b"1\n")
    assert sum(node._inode_.is_held for node in others) <= 4
    handle.release()
    others = [file_at(root, f"f{number}") for number in range(2, 50)]
    assert not opened._inode_.is_held


def test_a_later_file_with_the_same_number_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As happens on the host when a descriptor was given up and the number of the removed file is used
    again.
    """
    (tmp_path / "f").write_text("first\n")
    root = HostDir(tmp_path)
    first = file_at(root, "f")
    assert first._inode_.give_up()
    (tmp_path / "g").write_text("second\n")
    os.rename(tmp_path / "g", tmp_path / "f")
    key = first._inode_.key
    monkeypatch.setattr("fusetree.nodes.host.directory.key_of", lambda found: key)
    second = file_at(root, "f")
    assert second is not first
    assert second.content() == b"second\n"
    with raises_errno(errno.ESTALE):
        first.content()


def test_when_there_are_no_descriptors_left_those_held_are_closed(tmp_path: Path) -> None:
    root = HostDir(tmp_path)
    held = []
    for number in range(4):
        (tmp_path / f"f{number}").touch()
        held.append(file_at(root, f"f{number}"))
    calls_made = []

    def opening() -> int:
        calls_made.append(1)
        if len(calls_made) == 1:
            raise OSError(errno.EMFILE, "too many")
        return os.open(tmp_path, os.O_PATH)

    root._host_.finder.open(opening)
    assert len(calls_made) == 2
    assert sum(node._inode_.is_held for node in held) < 4


# ---------------------------------------------------------------------------------------- what is decided


def test_a_filter_hides_by_path(source: Path) -> None:
    asked = []

    def shown(path: str) -> bool:
        asked.append(path)
        return not path.endswith("g")

    root = HostDir(source, writable=True, filter=shown)
    assert sorted(directory_at(root, "d")) == ["e"]
    assert root["d"].lookup("g") is None  # type: ignore[attr-defined]
    assert "d/g" in asked
    directory = root["d"]
    assert isinstance(directory, HostDir)
    with raises_errno(errno.EPERM):
        directory.create("xg", 0o600)
    with raises_errno(errno.EPERM):
        root.rename("f", directory, "g", 0)
    assert (source / "d" / "g").read_text() == "below\n"


class Hidden(HostDir):
    def shows(self, name: str) -> bool:
        return not name.startswith(".")


def test_a_subclass_hides_in_directories_below_too(source: Path) -> None:
    (source / "d" / ".x").touch()
    root = Hidden(source)
    assert sorted(directory_at(root, "d")) == ["e", "g"]
    assert isinstance(root["d/e"], Hidden)


class Upper(FileNode):
    def __init__(self, behind: HostFile) -> None:
        super().__init__()
        self.behind = behind

    def read(self, size: int, offset: int) -> bytes:
        return self.behind.content().upper()[offset : offset + size]


class Shouting(HostDir):
    def wrap(self, name: str, node: Node) -> Node:
        return Upper(node) if isinstance(node, HostFile) else node


def test_a_hook_says_which_node_stands_for_a_file(source: Path) -> None:
    root = Shouting(source, writable=True)
    shown = root["d/g"]
    assert isinstance(shown, Upper)
    assert root["d/g"] is shown
    assert shown.read(100, 0) == b"BELOW\n"
    root.link("hard", shown)
    assert root["hard"] is shown
    assert isinstance(root.create("new", 0o600), Upper)

    class Wrong(HostDir):
        def wrap(self, name: str, node: Node) -> Node:
            return File(b"") if node.file_type == stat.S_IFDIR else node

    with pytest.raises(TypeError, match="same file type"):
        Wrong(source)["d"]


def test_a_subclass_passes_its_fields_on(source: Path) -> None:
    @node
    class Tagged(HostDir):
        tag: str = attrs.field(default="none", kw_only=True)

    root = Tagged(path=source, tag="mine", writable=True)
    below = root["d"]
    assert isinstance(below, Tagged)
    assert below.tag == "mine"
    with pytest.raises(TypeError, match="needs a path"):
        Tagged(tag="mine")

    class Plain(HostDir):
        def __init__(self, path: Path, tag: str) -> None:
            super().__init__(path)
            self.tag = tag

    assert Plain(source, "other")["d/e"].tag == "other"  # type: ignore[attr-defined]


# --------------------------------------------------------------------------------------------- changes


def test_read_only_refuses_every_change(source: Path) -> None:
    root = HostDir(source)
    file = file_at(root, "f")
    attempts: list[Callable[[], object]] = [
        lambda: root.create("n", 0o600),
        lambda: root.create_open("n", 0o600, os.O_WRONLY),
        lambda: root.mkdir("n", 0o700),
        lambda: root.mknod("n", stat.S_IFIFO | 0o600, 0),
        lambda: root.symlink("n", "x"),
        lambda: root.link("n", file),
        lambda: root.unlink("f"),
        lambda: root.rmdir("d"),
        lambda: root.rename("f", root, "n", 0),
        lambda: file.open(os.O_WRONLY),
        lambda: file.open(os.O_RDONLY | os.O_TRUNC),
        lambda: file.setattr(Attributes(mode=0o600)),
        lambda: file.setxattr("user.a", b"1"),
        lambda: file.removexattr("user.a"),
        lambda: file.store(b"x"),
        lambda: file.write_at(b"x", 0),
        lambda: file.truncate(0),
        lambda: setattr(file, "mode", 0o600),
        lambda: root.__delitem__("f"),
        lambda: root.move("f", "n"),
    ]
    for attempt in attempts:
        with raises_errno(errno.EROFS):
            attempt()
    assert sorted(os.listdir(source)) == ["d", "f", "link", "out"]


def test_what_the_program_changes_is_changed_on_the_host(source: Path) -> None:
    root = HostDir(source, writable=True)
    file = file_at(root, "f")
    file.store("new\n")
    file.store(b"more\n", append=True)
    assert file.write_at(b"N", 0) == 1
    assert (source / "f").read_text() == "New\nmore\n"
    file.truncate(3)
    assert (source / "f").read_text() == "New"
    file.mode = 0o640
    file.set_times(atime_ns=1_000_000_001, mtime_ns=2_000_000_002)
    found = os.stat(source / "f")
    assert (stat.S_IMODE(found.st_mode), found.st_atime_ns, found.st_mtime_ns) == (
        0o640,
        1_000_000_001,
        2_000_000_002,
    )
    assert (file.mode, file.mtime_ns) == (0o640, 2_000_000_002)
    file.set_times(mtime_ns=3)
    assert os.stat(source / "f").st_atime_ns == 1_000_000_001
    root.move("f", "d/f")
    assert root["d/f"] is file
    del root["d/f"]
    del root["d/e"]
    assert os.listdir(source / "d") == ["g"]
    with pytest.raises(KeyError):
        del root["d/f"]
    with pytest.raises(TypeError, match="cannot be put into a directory of the host"):
        root["x"] = b"content"


def test_renames_have_all_flags_and_stay_in_the_tree(source: Path, tmp_path: Path) -> None:
    root = HostDir(source, writable=True)
    f, d = root["f"], root["d"]
    assert isinstance(d, HostDir)
    with raises_errno(errno.EEXIST):
        root.rename("f", d, "g", RENAME_NOREPLACE)
    root.rename("f", d, "g", RENAME_EXCHANGE)
    assert root["d/g"] is f
    assert file_at(root, "f").content() == b"below\n"
    assert path_of(f) == "/d/g"
    other = HostDir(tmp_path / "secret", writable=True)
    with raises_errno(errno.EXDEV):
        root.rename("f", other, "f", 0)
    with raises_errno(errno.EXDEV):
        root.link("x", other["s"])
    with raises_errno(errno.EXDEV):
        root.rename("f", Dir(), "f", 0)


def test_what_is_no_directory_is_an_error_at_once(source: Path) -> None:
    with raises_errno(errno.ENOENT):
        HostDir(source / "nothing")
    with raises_errno(errno.ENOTDIR):
        HostDir(source / "f")
    with pytest.raises(ValueError, match="ttl"):
        HostDir(source, ttl=-1)
    with pytest.raises(ValueError, match="max_descriptors"):
        HostDir(source, max_descriptors=0)


def test_pages_are_kept_while_the_file_stays_as_it_is(source: Path) -> None:
    file = file_at(HostDir(source, writable=True), "f")

    def keeps() -> bool:
        handle = file.open(os.O_RDONLY)
        handle.release()
        return handle.keep_cache

    assert not keeps()  # it may have changed within the same tick of the clock
    wait_for(keeps, what="a file that was not changed for a moment")
    (source / "f").write_text("new")
    assert not keeps()


def test_an_open_file_is_truncated_whatever_its_permissions_are(source: Path) -> None:
    root = HostDir(source, writable=True)
    made, handle = root.create_open("n", 0o000, os.O_RDWR)
    assert isinstance(handle, HostWriter)
    assert handle.write(memoryview(b"content"), 0) == 7
    handle.setattr(Attributes(size=3))
    assert os.pread(handle.fileno(), 10, 0) == b"con"
    assert made.getattr().size == 3  # type: ignore[attr-defined]
    with raises_errno(errno.EEXIST):
        root.create_open("n", 0o600, os.O_WRONLY)


# ------------------------------------------------------------------------------------- the caller's rights


@attrs.frozen
class Asking:
    uid: int = 1000
    gid: int = 1001
    pid: int = 1
    umask: int = 0o022
    groups: tuple[int, ...] = (2000, 2001)


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Asking:
    asking = Asking()
    monkeypatch.setattr(callers, "_ask", lambda: asking)
    return asking


def ids() -> tuple[int, int, list[int]]:
    return os.geteuid(), os.getegid(), os.getgroups()


@needs_root
def test_only_this_thread_acts_for_the_caller_and_only_within(asking: Asking) -> None:
    before = ids()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ids).result()  # a thread that is there already
        with as_caller():
            assert ids() == (1000, 1001, [2000, 2001])
            assert pool.submit(ids).result() == before
    assert ids() == before
    with pytest.raises(RuntimeError), as_caller():
        raise RuntimeError
    assert ids() == before


@needs_root
def test_nothing_is_left_when_a_step_fails(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids()

    def fails(uid: int) -> None:
        if uid:
            raise OSError(errno.EAGAIN, "too many processes")
        original(uid)

    original = calls.set_thread_uid
    monkeypatch.setattr("fusetree.nodes.host.acting.set_thread_uid", fails)
    with raises_errno(errno.EAGAIN), as_caller():
        pytest.fail("acted all the same")
    assert ids() == before


@needs_root
def test_what_root_makes_for_others_is_theirs(asking: Asking, source: Path) -> None:
    os.chmod(source, 0o777)
    for folder in (source.parent, source.parent.parent):
        os.chmod(folder, 0o755)
    os.mkdir(source / "grouped")
    os.chown(source / "grouped", 0, 3000)
    os.chmod(source / "grouped", 0o2777)
    root = HostDir(source, writable=True)
    before = os.umask(0o077)  # that of the server counts for nobody
    try:
        root.create("n", 0o666)
        root.mkdir("m", 0o777)
        root.symlink("s", "x")
        root.mknod("p", stat.S_IFIFO | 0o666, 0)
        root["grouped"].mkdir("m", 0o777)  # type: ignore[attr-defined]
    finally:
        os.umask(before)
    made = {name: os.lstat(source / name) for name in ("n", "m", "s", "p", "grouped/m")}
    assert {name: (found.st_uid, found.st_gid) for name, found in made.items()} == {
        "n": (1000, 1001),
        "m": (1000, 1001),
        "s": (1000, 1001),
        "p": (1000, 1001),
        "grouped/m": (1000, 3000),
    }
    assert [stat.S_IMODE(made[name].st_mode) for name in ("n", "m", "p", "grouped/m")] == [
        0o644,
        0o755,
        0o644,
        0o2755,
    ]


@needs_root
def test_the_host_refuses_what_the_caller_may_not(asking: Asking, source: Path) -> None:
    for folder in (source.parent, source.parent.parent):
        os.chmod(folder, 0o755)
    os.chmod(source / "f", 0o600)
    root = HostDir(source, writable=True)
    file = file_at(root, "f")
    attempts: list[Callable[[], object]] = [
        lambda: file.open(os.O_RDONLY),
        lambda: file.setattr(Attributes(mode=0o666)),
        lambda: file.setattr(Attributes(uid=1000)),
        lambda: file.setattr(Attributes(size=0)),
        lambda: file.setxattr("user.a", b"1"),
        lambda: root.create("n", 0o600),
        lambda: root.unlink("f"),
    ]
    for attempt in attempts:
        with raises_errno(errno.EACCES, errno.EPERM):
            attempt()
    assert not file.access(os.R_OK)
    os.chown(source / "f", 0, 2001)  # one of the caller's groups
    os.chmod(source / "f", 0o640)
    assert file.access(os.R_OK)
    file.open(os.O_RDONLY).release()


def test_an_inode_tells_how_it_came_there(source: Path) -> None:
    root = HostDir(source)
    inode = root["d/g"]._inode_  # type: ignore[attr-defined]
    assert isinstance(inode, HostInode)
    assert inode.names() == [b"d", b"g"]
    # Directories that were moved into each other behind our back lead nowhere, not round and round.
    assert inode.place is not None
    above = inode.place[0]
    above.place = (above, b"d")
    with raises_errno(errno.ESTALE):
        inode.names()


@needs_root
def test_a_file_is_found_again_with_our_own_rights(asking: Asking, source: Path) -> None:
    """Who has a file, or a directory, need not be able to come there again."""
    for folder in (source.parent, source.parent.parent):
        os.chmod(folder, 0o755)
    os.chmod(source / "d" / "g", 0o644)
    root = HostDir(source, writable=True)
    file, directory = file_at(root, "d/g"), directory_at(root, "d/e")
    os.chmod(source / "d", 0o700)
    for use in (
        lambda: file.open(os.O_RDONLY).release(),
        lambda: file.access(os.R_OK),
        lambda: file.listxattr(),
        lambda: list(directory),
    ):
        assert file._inode_.give_up()
        assert directory._inode_.give_up()
        use()


def test_a_file_without_a_name_gets_one_later(tmp_path: Path) -> None:
    root = HostDir(tmp_path, writable=True)
    made, handle = root.tmpfile(0o600, os.O_RDWR)
    assert isinstance(made, HostFile)
    assert isinstance(handle, HostWriter)
    handle.write(b"abc", 0)
    assert (list(root), made.nlink, made.content()) == ([], 0, b"abc")
    assert not made._inode_.give_up()  # it could not be found again
    root.link("f", made)
    assert root["f"] is made
    assert (made.host_path, made.nlink) == (str(tmp_path / "f"), 1)
    handle.release()
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        HostDir(tmp_path).tmpfile(0o600, os.O_RDWR)
