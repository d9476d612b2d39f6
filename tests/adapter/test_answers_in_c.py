"""Every answer given in C is what Python would have said: one tree, served twice.

One session has the inode table, and so answers without Python whatever is published. The other has the same
handlers and no table, so each of its answers is Python's. Random trees are asked everything on both sides,
with random changes between, and what comes over the wire is compared; on the side with the table each thing
is asked again, because only what was asked before is answered in C.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fusetree import Dir, File, Symlink, computed, entry, node
from fusetree.adapter import NodeOperations
from fusetree.adapter.steps import drive
from fusetree.lowlevel import (
    EntryAttributes,
    FileInfo,
    Operations,
    ReaddirToken,
    RequestContext,
    StatvfsData,
    readdir_reply,
)
from fusetree.nodes import Node
from fusetree.nodes.filenode import FileNode, Policy
from fusetree.testing import Client, Dirent, Entry, Opened, OpenedFlag
from fusetree.testing.values import AttrReply

T = TypeVar("T")

#: A `ttl`, in seconds.
LONG = 1e6


class InPython(Operations):
    """The handlers of a tree behind a session that has no inode table: nothing can be answered in C.

    Nobody counts lookups here, so the answers, which pin their nodes, are kept.
    """

    supports_dot_lookup = False
    atomic_o_trunc = True

    def __init__(self, root: Dir, *, kernel_cache: bool) -> None:
        self.nodes = NodeOperations(root, kernel_cache=kernel_cache, coherence_wait=0)
        self._kept: list[EntryAttributes] = []
        self._opened: dict[int, tuple[FileNode, bytes]] = {}

    def close(self) -> None:
        self._kept.clear()
        self.nodes.close()

    def _keep(self, attributes: EntryAttributes) -> EntryAttributes:
        self._kept.append(attributes)
        return attributes

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        return self._keep(self.nodes.lookup(parent_inode, name, ctx))

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        return self._keep(self.nodes.getattr(inode, ctx))

    def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        return self.nodes.readlink(inode, ctx)

    def statfs(self, ctx: RequestContext) -> StatvfsData:
        return self.nodes.statfs(ctx)

    def access(self, inode: int, mode: int, ctx: RequestContext) -> bool:
        return self.nodes.access(inode, mode, ctx)

    def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        return self.nodes.getxattr(inode, name, ctx)

    def listxattr(self, inode: int, ctx: RequestContext) -> Any:
        return self.nodes.listxattr(inode, ctx)

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        info = self.nodes.open(inode, flags, ctx)
        file: FileNode = self.nodes.node(inode)
        self._opened[info.fh] = (file, file.content())
        return info

    def read(self, fh: int, off: int, size: int) -> bytes:
        file, pinned = self._opened[fh]
        content = file.content() if file.policy is Policy.PAGE else pinned
        return content[off : off + size]

    def flush(self, fh: int) -> None:
        self.nodes.flush(fh)

    def release(self, fh: int) -> None:
        self.nodes.release(fh)

    def opendir(self, inode: int, ctx: RequestContext) -> FileInfo:
        return self.nodes.opendir(inode, ctx)

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        inode = self.nodes.inode_table.opened(fh)
        directory: Dir = self.nodes.node(inode)
        lines: list[tuple[bytes, EntryAttributes]] = [
            (b".", _directory_number(directory.ino)),
            (b"..", _directory_number(self.nodes._parent_ino(directory))),
        ]
        for name, child in directory.items():
            lines.append((os.fsencode(name), self._keep(drive(self.nodes.entries.attributes(child)))))
        for number, (name_bytes, attributes) in list(enumerate(lines, 1))[start_id:]:
            if not readdir_reply(token, name_bytes, attributes, number):
                break

    def releasedir(self, fh: int) -> None:
        self.nodes.releasedir(fh)


def _directory_number(ino: int) -> EntryAttributes:
    attributes = EntryAttributes()
    attributes.st_ino = ino
    attributes.st_mode = stat.S_IFDIR
    return attributes


# -------------------------------------------------------------------------------------------------- comparing


def told(ask: Callable[[], T]) -> T | int:
    """What a request was answered with: a value, or an errno."""
    try:
        return ask()
    except OSError as exc:
        return exc.errno or -1


def comparable(answer: object) -> object:
    """An answer without what is each side's own business: node ids, handles, whether pages are kept.

    A name that is not there is ENOENT, or an entry without a node that may be remembered.
    """
    if isinstance(answer, Entry):
        if answer.node_id == 0:
            assert answer.entry_timeout > 0, "an absence that may not be remembered is ENOENT"
            return errno.ENOENT
        return attrs.evolve(answer, node_id=0, attr_timeout=_whole(answer.attr_timeout))
    if isinstance(answer, AttrReply):
        return attrs.evolve(answer, timeout=_whole(answer.timeout))
    if isinstance(answer, Opened):
        return answer.flags & ~OpenedFlag.KEEP_CACHE
    return answer


def _whole(timeout: float) -> float:
    """What is left of a `ttl` in C is the whole of it in Python."""
    return LONG if LONG - 1000 < timeout <= LONG else timeout


def lines_of(client: Client, node_id: int, size: int, plus: bool) -> Iterator[Dirent]:
    """A whole listing, read piece by piece."""
    read = client.raw.readdirplus if plus else client.raw.readdir
    fh = client.raw.opendir(node_id).fh
    cookie = 0
    while lines := read(node_id, fh, cookie, size):
        yield from lines
        cookie = lines[-1].cookie
    client.raw.releasedir(node_id, fh)


class Twice:
    """The two sessions over one tree."""

    def __init__(self, root: Dir, *, kernel_cache: bool = True) -> None:
        self.root = root
        self.kernel_cache = kernel_cache
        self.in_c = Client(root, kernel_cache=kernel_cache, coherence_wait=10.0, default_permissions=False)
        try:
            operations = InPython(root, kernel_cache=kernel_cache)
            self.in_python = Client(operations, default_permissions=False)
        except BaseException:
            self.in_c.close()
            raise
        self._handles: list[tuple[FileNode, int, int, int, int]] = []

    def close(self) -> None:
        try:
            self.in_c.check()
        finally:
            self.in_c.close()
            self.in_python.close()

    def answered_in_c(self) -> int:
        return self.in_c.table.statistics().answered_in_c

    def same(self, ask: Callable[[Client, int], T], ids: tuple[int, int], *, in_c: bool) -> tuple[Any, Any]:
        """Ask both; ask the table's side again, which must not need Python any more if `in_c`."""
        expected = told(lambda: ask(self.in_python, ids[1]))
        answer = told(lambda: ask(self.in_c, ids[0]))
        assert comparable(answer) == comparable(expected), "the first answer"
        before = self.answered_in_c()
        answer = told(lambda: ask(self.in_c, ids[0]))
        assert comparable(answer) == comparable(expected), "the second answer"
        if in_c:
            assert self.answered_in_c() == before + 1, "Python was asked again"
        return answer, expected

    def compare(self, path: list[str], offset: int, size: int, uid: int, gid: int) -> None:
        """Everything that can be asked of the names on a path, and of what it leads to."""
        ids = (1, 1)
        here: Node = self.root
        for name in path:
            assert isinstance(here, Dir)
            above, here = here, here[name]
            self.same(_getattr, ids, in_c=True)
            encoded = os.fsencode(name)
            entries = self.same(
                lambda client, number, encoded=encoded: client.raw.lookup(number, encoded),  # type: ignore[misc]
                ids,
                in_c=self._published(here),
            )
            self.same(lambda client, number: client.raw.lookup(number, b"absent"), ids, in_c=True)
            ids = (entries[0].node_id, entries[1].node_id)
            assert above.child(name) is here
        self.same(_getattr, ids, in_c=self._published(here))
        self.same(lambda client, number: client.raw.readlink(number), ids, in_c=isinstance(here, Symlink))
        self.same(lambda client, number: client.raw.statfs(number), ids, in_c=True)
        self.same(lambda client, number: client.raw.getxattr(number, b"user.x", size), ids, in_c=True)
        self.same(lambda client, number: client.raw.listxattr(number, size), ids, in_c=True)
        with self.in_c.as_user(uid, gid), self.in_python.as_user(uid, gid):
            for mask in range(8):
                self.same(lambda client, number, mask=mask: client.raw.access(number, mask), ids, in_c=False)  # type: ignore[misc]
        if isinstance(here, Dir):
            self._compare_listing(ids, size)
        else:
            self.same(lambda client, number: client.raw.opendir(number), ids, in_c=False)
        self._compare_content(here, ids, offset, size)

    def _compare_listing(self, ids: tuple[int, int], size: int) -> None:
        self.same(lambda client, number: client.raw.opendir(number), ids, in_c=True)
        expected = list(lines_of(self.in_python, ids[1], 1 << 16, True))
        for plus in (False, True):
            before = self.answered_in_c()
            asked = sum(self.in_c.connection.requests.values())
            lines = list(lines_of(self.in_c, ids[0], 512 + size, plus))
            if not plus:  # which Python answers where attributes have not been asked for
                assert self.answered_in_c() - before == sum(self.in_c.connection.requests.values()) - asked
            assert [line.name for line in lines] == [line.name for line in expected]
            for line, wanted in zip(lines, expected, strict=True):
                assert line.type == wanted.type
                assert line.ino == wanted.ino
                if line.name in (b".", b"..") or line.entry is None or line.entry.node_id == 0:
                    continue  # the kernel takes the name alone, and asks
                assert wanted.entry is not None
                assert comparable(line.entry) == comparable(wanted.entry)

    def _compare_content(self, here: Node, ids: tuple[int, int], offset: int, size: int) -> None:
        opened = self.same(lambda client, number: client.raw.open(number), ids, in_c=False)
        if not isinstance(opened[0], Opened):
            return
        assert isinstance(here, FileNode)
        before = self.answered_in_c()
        handles = (self.in_c.raw.open(ids[0]).fh, opened[1].fh)
        if here.policy is not Policy.DYNAMIC:
            assert self.answered_in_c() == before + 1
        for begin, length in ((0, 1 << 16), (offset, size), (offset, 1), (1 << 40, 5)):
            self._read(ids, handles, begin, length)
        self.same(
            lambda client, number: client.raw.flush(number, handles[client is self.in_python]), ids, in_c=True
        )
        self._handles.append((here, *ids, *handles))

    def _read(self, ids: tuple[int, int], handles: tuple[int, int], begin: int, length: int) -> None:
        self.same(
            lambda client, number: client.raw.read(number, handles[client is self.in_python], length, begin),
            ids,
            in_c=True,
        )

    def read_again(self, offset: int, size: int) -> None:
        """What is open is read as before, or as it is now, whatever has happened."""
        for _, c_id, python_id, c_fh, python_fh in self._handles:
            self._read((c_id, python_id), (c_fh, python_fh), offset, size)

    def close_files(self) -> None:
        for _, c_id, _, c_fh, _ in self._handles:
            before = self.answered_in_c()
            self.in_c.raw.release(c_id, c_fh)
            assert self.answered_in_c() == before + 1
        self._handles.clear()

    def _published(self, here: Node) -> bool:
        if not isinstance(here, FileNode) or here.policy is not Policy.DYNAMIC:
            return True
        return here.ttl > 0 and self.kernel_cache

    def forget(self) -> None:
        """The table's side forgets all nodes, and begins anew."""
        held = [(number, count) for number, count in self.in_c.lookup_counts.items() if number != 1 and count]
        if held:
            self.in_c.raw.batch_forget(held)


def _getattr(client: Client, number: int) -> object:
    return client.raw.getattr(number)


@node
class Settings(Dir):
    jobs: int = entry(0)
    note: str = entry("")
    secret: str = entry("x", mode=0o200)

    @computed(size="exact", ttl=LONG)
    def exact(self) -> str:
        return f"{self.jobs} jobs"

    @computed
    def unknown(self) -> bytes:
        return self.note.encode() * 100


# --------------------------------------------------------------------------------------- found by the machine


def test_a_directory_that_moved_shows_its_new_parent() -> None:
    root = Dir({"a": {"d": {}}, "b": {}, "new": {}})
    twice = Twice(root)
    try:
        twice.compare(["a", "d"], 0, 4096, 0, 0)
        twice.compare(["b"], 0, 4096, 0, 0)
        root.move("a/d", "b/d")
        twice.compare(["b", "d"], 0, 4096, 0, 0)
        root.move("b/d", "new/d")  # which the mount does not know, so nothing is told of it
        twice.compare(["new", "d"], 0, 4096, 0, 0)
    finally:
        twice.close()


def test_a_value_that_nobody_may_read_any_more_is_not_opened_in_c() -> None:
    root = Settings(note="text")
    twice = Twice(root)
    try:
        twice.compare(["note"], 0, 4096, 0, 0)
        root["note"].mode = 0o200
        twice.compare(["note"], 0, 4096, 0, 0)
        twice.read_again(0, 4096)
    finally:
        twice.close()


# ------------------------------------------------------------------------------------------------ the machine


NAMES = st.sampled_from(["a", "b", "größe", "\udcff", "n" * 200, "absent-minded"])
CONTENTS = st.binary(max_size=40) | st.sampled_from([b"x" * 4096, bytes(range(256)) * 40])
MODES = st.integers(0, 0o7777)
OWNERS = st.sampled_from([None, 0, 1000, 1001])
TIMES = st.integers(-(10**18), 2 * 10**18)
TARGETS = st.sampled_from(["x", "/a/b", "ö", "t" * 4095])
OFFSETS = st.integers(0, 5000)
SIZES = st.integers(1, 1 << 16)
ANY = st.integers(0, 1 << 20)


class Machine(RuleBasedStateMachine):
    """Changes of a tree by its program, and questions."""

    twice: Twice | None = None
    asked = 0

    @initialize(kernel_cache=st.booleans(), jobs=st.integers(0, 10**6))
    def begin(self, kernel_cache: bool, jobs: int) -> None:
        self.root = Dir({"s": Settings(jobs=jobs), "f": b"content", "l": Symlink("f"), "d": {"e": {}}})
        self.twice = Twice(self.root, kernel_cache=kernel_cache)

    def teardown(self) -> None:
        if self.twice is not None:
            try:
                for path, here in self.places():
                    self.asked += 1
                    self._ask(path, here)
                self.twice.close_files()
            finally:
                self.twice.close()

    def places(self) -> Iterator[tuple[list[str], Node]]:
        pending: list[tuple[list[str], Node]] = [([], self.root)]
        while pending:
            path, here = pending.pop(0)
            yield path, here
            if isinstance(here, Dir):
                pending.extend(([*path, name], child) for name, child in here.items())

    def pick(self, number: int, kind: type[T]) -> T:
        found = [here for _, here in self.places() if isinstance(here, kind)]
        return found[number % len(found)]

    def has(self, kind: type[Node]) -> bool:
        return self.twice is not None and any(isinstance(here, kind) for _, here in self.places())

    # ---- changes

    @rule(where=ANY, name=NAMES, content=CONTENTS, mode=MODES, uid=OWNERS, gid=OWNERS)
    def put_file(
        self, where: int, name: str, content: bytes, mode: int, uid: int | None, gid: int | None
    ) -> None:
        self._put(where, name, File(content, mode, uid=uid, gid=gid))

    @rule(where=ANY, name=NAMES, content=CONTENTS, mode=MODES, offset=st.integers(0, 10))
    def put_file_of_the_host(self, where: int, name: str, content: bytes, mode: int, offset: int) -> None:
        with tempfile.NamedTemporaryFile() as host:
            host.write(content)
            host.flush()
            self._put(where, name, File.from_path(host.name, mode, offset=offset))

    @rule(where=ANY, name=NAMES, content=CONTENTS, mode=MODES)
    def put_buffer(self, where: int, name: str, content: bytes, mode: int) -> None:
        self._put(where, name, File(memoryview(content), mode))

    @rule(where=ANY, name=NAMES, mode=MODES)
    def put_directory(self, where: int, name: str, mode: int) -> None:
        self._put(where, name, Dir({"inside": "text\n"}, mode))

    @rule(where=ANY, name=NAMES, leads_to=TARGETS)
    def put_link(self, where: int, name: str, leads_to: str) -> None:
        self._put(where, name, Symlink(leads_to))

    @rule(where=ANY, name=NAMES, which=ANY)
    def put_another_name(self, where: int, name: str, which: int) -> None:
        self._put(where, name, self.pick(which, FileNode))

    def _put(self, where: int, name: str, child: Node) -> None:
        directory = self.pick(where, Dir)
        if not isinstance(directory, Settings):
            directory[name] = child

    @rule(where=ANY, name=NAMES)
    def remove(self, where: int, name: str) -> None:
        directory = self.pick(where, Dir)
        if name in directory:
            del directory[name]

    @rule(which=ANY, where=ANY, name=NAMES)
    def rename(self, which: int, where: int, name: str) -> None:
        paths = [path for path, _ in self.places() if path]
        targets = [path for path, here in self.places() if isinstance(here, Dir)]
        old, new = paths[which % len(paths)], [*targets[where % len(targets)], name]
        if new[: len(old)] != old:
            try:
                self.root.move("/".join(old), "/".join(new))
            except (ValueError, KeyError, OSError):
                pass  # a declared file, a directory over a file

    @rule(which=ANY, mode=MODES)
    def change_mode(self, which: int, mode: int) -> None:
        self.pick(which, Node).mode = mode

    @rule(which=ANY, uid=OWNERS, gid=OWNERS)
    def change_owner(self, which: int, uid: int | None, gid: int | None) -> None:
        here = self.pick(which, Node)
        here.uid, here.gid = uid, gid

    @rule(which=ANY, atime=TIMES, mtime=TIMES)
    def change_times(self, which: int, atime: int, mtime: int) -> None:
        self.pick(which, Node).set_times(atime_ns=atime, mtime_ns=mtime)

    @precondition(lambda self: self.has(File))
    @rule(which=ANY, content=CONTENTS, offset=OFFSETS)
    def change_content(self, which: int, content: bytes, offset: int) -> None:
        file = self.pick(which, File)
        if offset % 3 == 0:
            file.store(content)
        elif offset % 3 == 1:
            file.write_at(content, offset)
        else:
            file.truncate(offset)

    @precondition(lambda self: self.has(Symlink))
    @rule(which=ANY, leads_to=TARGETS)
    def change_target(self, which: int, leads_to: str) -> None:
        self.pick(which, Symlink).target = leads_to

    @precondition(lambda self: self.has(Settings))
    @rule(which=ANY, jobs=st.integers(), note=st.text(max_size=20).filter(lambda text: "\0" not in text))
    def change_values(self, which: int, jobs: int, note: str) -> None:
        here = self.pick(which, Settings)
        here.jobs, here.note = jobs, note
        here["exact"].changed()  # which has a ttl

    # ---- questions

    @invariant()
    def one_place_is_asked(self) -> None:
        """After each change: one place after the other, at offsets and sizes about the ends of it."""
        if self.twice is None:
            return
        self.asked += 1
        places = list(self.places())
        self._ask(*places[self.asked * 5 % len(places)])

    def _ask(self, path: list[str], here: Node) -> None:
        assert self.twice is not None
        length = len(here.content()) if isinstance(here, File) else 10
        offset = [0, 1, length // 2, length - 1, length, length + 1, 4096][self.asked % 7]
        size = [1, 7, length, length + 1, 4096, 1 << 16][self.asked % 6]
        uid = [0, here.uid or 0, 1001, here.gid or 0][self.asked % 4]
        gid = [here.gid or 0, 5, here.uid or 0][self.asked % 3]
        self.twice.compare(path, max(0, offset), max(1, size), uid, gid)

    @rule(offset=OFFSETS, size=SIZES)
    def read_what_is_open(self, offset: int, size: int) -> None:
        assert self.twice is not None
        self.twice.read_again(offset, size)

    @rule()
    def close_files(self) -> None:
        assert self.twice is not None
        self.twice.close_files()

    @rule()
    def forget(self) -> None:
        assert self.twice is not None
        self.twice.forget()


TestMachine = pytest.mark.usefixtures("descriptors")(Machine.TestCase)
TestMachine.settings = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes longer than a test may
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
