"""What is answered without Python, what is not, and that no answer is older than a change that was told."""

from __future__ import annotations

import errno
import math
import os
import stat
import threading
import weakref

import pytest

from fusetree._lowlevel.nodeattributes import NodeAttributes
from fusetree.lowlevel import StatvfsData
from fusetree.testing import Client, Credentials, wait_until
from fusetree.testing.protocol import OpenedFlag
from tests.lowlevel.tables import Served, Thing, directory, link


def refused(number: int) -> pytest.RaisesExc[OSError]:
    return pytest.raises(OSError, match=os.strerror(number))


# ---------------------------------------------------------------------- names and attributes


def test_attributes_are_asked_once_and_then_answered_in_c() -> None:
    served = Served(directory(f=Thing(content=b"12345")))
    with Client(served) as client:
        first = client.raw.lookup(1, b"f")
        assert served.calls == ["lookup"]
        answered = served.inode_table.statistics().answered_in_c
        for _ in range(3):
            reply = client.raw.getattr(first.node_id)
            assert reply.attributes == first.attributes
            assert reply.timeout == math.inf
        assert served.calls == ["lookup"]
        assert served.inode_table.statistics().answered_in_c == answered + 3


def test_every_attribute_survives_the_compact_form() -> None:
    served = Served(directory())
    table = served.inode_table
    values = {
        "st_mode": stat.S_IFREG | 0o4751, "st_nlink": 3, "st_uid": 70_000, "st_gid": 80_000, "st_rdev": 5,
        "st_size": 2**41, "st_blksize": 65536, "st_blocks": 2**33, "st_atime_ns": 1_700_000_000_123_456_789,
        "st_mtime_ns": -1, "st_ctime_ns": -3_000_000_000, "st_ino": 2**60,
    }  # fmt: skip

    def filled() -> NodeAttributes:
        attributes = table.begin(served.root)
        for name, value in values.items():
            setattr(attributes, name, value)
        return attributes

    served.getattr = lambda inode, ctx: filled()  # type: ignore[method-assign]
    with Client(served) as client:
        for _ in range(2):  # from Python, then from C
            told = client.raw.getattr(1).attributes
            assert {name: getattr(told, name) for name in values} == values
    assert table.statistics().answered_in_c >= 1


def test_names_of_a_published_directory_are_answered_in_c() -> None:
    served = Served(directory(f=Thing()))
    with Client(served) as client:
        client.raw.lookup(1, b"f")
        served.publish(served.root)
        entry = client.raw.lookup(1, b"f")
        assert served.calls == ["lookup"]
        assert (entry.entry_timeout, entry.attr_timeout) == (math.inf, math.inf)
        assert served.inode_table.lookup_count(entry.node_id) == 2
        missing = client.raw.lookup(1, b"missing")
        assert (missing.node_id, missing.entry_timeout) == (0, math.inf)
        assert served.calls == ["lookup"]
        served.inode_table.check()


def test_lookups_of_one_thread_can_be_left_to_the_handler() -> None:
    served, other = Served(directory(f=Thing())), Served(directory(f=Thing()))
    thread = Credentials(pid=4321)
    with Client(served, credentials=thread) as client, Client(other, credentials=thread) as another:
        for one in (served, other):
            one.publish(one.root)
        client.raw.lookup(1, b"f")
        another.raw.lookup(1, b"f")
        served.calls.clear()
        other.calls.clear()
        served.inode_table.leave_lookups_of(4321)
        client.raw.lookup(1, b"f")
        another.raw.lookup(1, b"f")
        assert (served.calls, other.calls) == (["lookup"], [])  # it is about this table alone
        served.inode_table.leave_lookups_of(4322)
        client.raw.lookup(1, b"f")
        served.inode_table.leave_lookups_of(0)
        client.raw.lookup(1, b"f")
        assert served.calls == ["lookup"]
        with pytest.raises(ValueError, match="no thread"):
            served.inode_table.leave_lookups_of(-1)


def test_child_is_what_the_published_listing_has() -> None:
    file = Thing()
    served = Served(directory(f=file))
    table = served.inode_table
    assert table.child(served.root, "f") is None  # nothing is published yet
    served.publish(served.root)
    assert table.child(served.root, "f") is file
    assert table.child(served.root, "g") is None
    assert table.child(file, "f") is None
    table.child_removed(served.root, "f", file)
    assert table.child(served.root, "f") is None


def test_without_caching_a_missing_name_is_enoent_and_nothing_gets_time() -> None:
    served = Served(directory(f=Thing()), timeout=0.0)
    served.publish(served.root)
    with Client(served) as client:
        client.raw.lookup(1, b"f")
        entry = client.raw.lookup(1, b"f")
        assert (entry.entry_timeout, entry.attr_timeout) == (0, 0)
        with refused(errno.ENOENT):
            client.raw.lookup(1, b"missing")
        assert served.calls == ["lookup"]
        assert served.inode_table.statistics().armed == 0


def test_dots_are_no_names_of_a_listing() -> None:
    served = Served(directory())
    served.publish(served.root)
    with Client(served) as client:
        for name in (b".", b".."):
            with refused(errno.ENOENT):
                client.raw.lookup(1, name)
        assert served.calls == ["lookup", "lookup"]


def test_an_unknown_node_id_gets_estale() -> None:
    served = Served(directory())
    with Client(served) as client:
        with refused(errno.ESTALE):
            client.raw.lookup(99, b"x")
        with refused(errno.ESTALE):
            client.raw.getattr(99)
        assert served.calls == []


def test_lookup_counts_rise_with_answers_and_fall_with_forgets() -> None:
    served = Served(directory(f=Thing()))
    served.publish(served.root)
    gone = weakref.ref(served.root.children["f"])
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        for _ in range(9):
            client.raw.lookup(1, b"f")
        assert served.inode_table.lookup_count(node) == 10
        client.raw.forget(node, 4)
        client.raw.batch_forget([(node, 5)])
        client.raw.getattr(1)
        assert served.inode_table.lookup_count(node) == 1
        served.remove(served.root, "f")
        client.raw.forget(node, 1)
        client.wait_forgotten(node)
        client.wait_collected(gone)
        with refused(errno.ESTALE):
            client.raw.getattr(node)
        served.inode_table.check()


def test_access_is_granted_in_c_and_refused_by_python() -> None:
    served = Served(directory(f=Thing(stat.S_IFREG | 0o640), s=Thing(stat.S_IFREG | 0o200)))
    asked = []
    served.access = lambda inode, mode, ctx: asked.append(mode) or False  # type: ignore[method-assign, func-returns-value]
    with Client(served, default_permissions=False, credentials=Credentials(uid=0)) as client:
        node = client.raw.lookup(1, b"f").node_id
        secret = client.raw.lookup(1, b"s").node_id
        client.raw.access(node, os.R_OK)
        client.raw.access(node, os.F_OK)
        assert asked == []
        for number, mask in ((node, os.W_OK), (node, os.X_OK), (secret, os.R_OK)):
            with refused(errno.EACCES):
                client.raw.access(number, mask)
        assert asked == [os.W_OK, os.X_OK, os.R_OK]


def test_absent_xattrs_are_answered_in_c() -> None:
    served = Served(directory())
    served.getxattr = lambda inode, name, ctx: b"value"  # type: ignore[method-assign]
    served.listxattr = lambda inode, ctx: [b"user.x"]  # type: ignore[method-assign]
    with Client(served) as client:
        with refused(errno.ENODATA):
            client.raw.getxattr(1, b"user.x")
        assert client.raw.listxattr(1) == []
        assert client.raw.listxattr(1, 0) == [b""] * 8, "the size that it would take"
        served.inode_table.set_xattrs(1, True)
        assert client.raw.getxattr(1, b"user.x") == b"value"
        assert client.raw.listxattr(1) == [b"user.x"]


def test_statfs_is_answered_in_c_until_it_changes() -> None:
    served = Served(directory())
    table = served.inode_table
    blocks = 1000

    def statfs(ctx: object) -> StatvfsData:
        served.calls.append("statfs")
        change = table.begin_statfs()
        data = StatvfsData()
        data.f_bsize, data.f_frsize, data.f_blocks, data.f_namemax = 4096, 512, blocks, 255
        served.while_answering("statfs")
        table.publish_statfs(change, data)
        return data

    served.statfs = statfs  # type: ignore[method-assign]
    with Client(served) as client:
        first = client.raw.statfs()
        assert (first.f_blocks, first.f_bsize, first.f_frsize, first.f_namemax) == (1000, 4096, 512, 255)
        assert [client.raw.statfs() for _ in range(2)] == [first] * 2
        assert served.calls == ["statfs"]
        blocks = 2000
        table.statfs_changed()
        # It changes again while it is answered: what was made before that is not published.
        served.while_answering = lambda name: table.statfs_changed()
        assert client.raw.statfs().f_blocks == 2000
        assert not table.publish_statfs(0, StatvfsData())
        served.while_answering = lambda name: None
        for _ in range(3):
            assert client.raw.statfs().f_blocks == 2000
        assert served.calls == ["statfs"] * 3


def test_attributes_with_a_ttl_are_answered_in_c_while_it_lasts() -> None:
    served = Served(directory(f=Thing()))
    ttl = 1000.0
    plain = served._attributes

    def with_ttl(node: Thing) -> NodeAttributes:
        attributes = plain(node)
        attributes.ttl = ttl if node is not served.root else math.inf
        return attributes

    served._attributes = with_ttl  # type: ignore[method-assign]
    served.publish(served.root)
    with Client(served) as client:
        entry = client.raw.lookup(1, b"f")
        assert (entry.attr_timeout, entry.entry_timeout) == (1000, math.inf)
        answers = [client.raw.getattr(entry.node_id).timeout for _ in range(3)]
        answers.append(client.raw.lookup(1, b"f").attr_timeout)
        answers += [
            line.entry.attr_timeout
            for line in client.raw.readdirplus(1, 0)
            if line.name == b"f" and line.entry
        ]
        assert len(answers) == 5
        assert served.calls == ["lookup"]
        assert answers[-1] > 990, "what is left of it"
        assert answers == sorted(answers, reverse=True)
        assert answers[0] < 1000
        # The node changes: Python is asked, whatever is left.
        served.write_content(served.root.children["f"], b"12")
        ttl = 0.01
        assert client.raw.getattr(entry.node_id).attributes.st_size == 2
        assert served.calls == ["lookup", "getattr"]
        # It ends: Python is asked.
        wait_until(
            lambda: bool(client.raw.getattr(entry.node_id) and len(served.calls) > 2), "the end of the ttl"
        )
        wait_until(
            lambda: bool(client.raw.lookup(1, b"f") and "lookup" in served.calls[1:]), "the end of the ttl"
        )
        served.inode_table.check()


def test_a_ttl_is_bounded_by_the_table() -> None:
    served = Served(directory(), timeout=5.0)
    plain = served._attributes

    def with_ttl(node: Thing) -> NodeAttributes:
        attributes = plain(node)
        attributes.ttl = 1000.0
        return attributes

    served._attributes = with_ttl  # type: ignore[method-assign]
    with Client(served) as client:
        assert [client.raw.getattr(1).timeout for _ in range(2)] == [5.0, 5.0]
        assert served.calls == ["getattr"]


def test_link_targets_are_published() -> None:
    served = Served(directory(l=link(b"/some/where")))
    with Client(served) as client:
        node = client.raw.lookup(1, b"l").node_id
        assert [client.raw.readlink(node) for _ in range(3)] == [b"/some/where"] * 3
        assert served.calls == ["lookup", "readlink"]
        served.write_content(served.root.children["l"], b"elsewhere")
        assert client.raw.readlink(node) == b"elsewhere"
    with pytest.raises(ValueError, match="NUL"):
        served.inode_table.publish_link(1, 1, b"a\0b")


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize("snapshot", [False, True])
def test_open_read_release_are_answered_in_c(snapshot: bool) -> None:
    served = Served(directory(f=Thing(content=b"0123456789")))
    served.snapshot = served.direct_io = snapshot
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        opened = client.raw.open(node)
        client.raw.release(node, opened.fh)
        del served.calls[:]
        opened = client.raw.open(node)
        fh = opened.fh
        assert client.raw.read(node, fh, 4096, 0) == b"0123456789"
        assert client.raw.read(node, fh, 4, 3) == b"3456"
        assert client.raw.read(node, fh, 100, 8) == b"89"
        assert client.raw.read(node, fh, 100, 10) == b""
        assert client.raw.read(node, fh, 100, 2**40) == b""
        client.raw.flush(node, fh)
        assert served.inode_table.statistics().handles == 1
        client.raw.release(node, fh)
        assert served.inode_table.statistics().handles == 0
        assert served.calls == []
        served.inode_table.check()


def test_opening_for_writing_is_for_python() -> None:
    served = Served(directory(f=Thing(content=b"x")))
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        client.raw.open(node)
        for flags in (os.O_RDWR, os.O_WRONLY, os.O_RDONLY | os.O_TRUNC):
            del served.calls[:]
            client.raw.open(node, flags)
            assert served.calls == ["open"]


def test_a_snapshot_is_read_to_its_end_whatever_changes() -> None:
    served = Served(directory(f=Thing(content=b"old value")))
    served.snapshot = served.direct_io = True
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        client.raw.open(node)
        before = client.raw.open(node).fh
        assert client.raw.read(node, before, 3, 0) == b"old"
        served.write_content(served.root.children["f"], b"new")
        assert client.raw.read(node, before, 100, 3) == b" value"
        after = client.raw.open(node).fh
        assert client.raw.read(node, after, 100, 0) == b"new"
        served.inode_table.check()


def test_a_page_cache_file_is_read_as_it_is_now() -> None:
    served = Served(directory(f=Thing(content=b"old value")))
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        fh = client.raw.open(node).fh
        assert client.raw.read(node, fh, 100, 0) == b"old value"
        served.write_content(served.root.children["f"], b"new")
        assert client.raw.read(node, fh, 100, 0) == b"new"


def test_an_unlinked_open_file_stays_readable_and_is_let_go_with_its_last_release() -> None:
    served = Served(directory(f=Thing(content=b"still here")))
    served.snapshot = served.direct_io = True
    served.publish(served.root)
    gone = weakref.ref(served.root.children["f"])
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        fh = client.raw.open(node).fh
        served.remove(served.root, "f")
        assert client.raw.lookup(1, b"f").node_id == 0
        assert client.raw.read(node, fh, 100, 0) == b"still here"
        client.raw.release(node, fh)
        client.raw.forget(node, 1)
        client.wait_collected(gone)
        served.inode_table.check()


def test_a_withdrawn_buffer_is_released_by_the_reaper() -> None:
    served = Served(directory(f=Thing(content=b"x" * 100_000)))
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        client.raw.open(node)
        for number in range(20):
            served.write_content(served.root.children["f"], bytes([number]) * 100_000)
            fh = client.raw.open(node).fh
            assert client.raw.read(node, fh, 4, 0) == bytes([number]) * 4
        served.inode_table.check()
        served.inode_table.reap()
        assert served.inode_table.statistics().contents == 1


# ---------------------------------------------------------------------- coherence


def test_a_changed_attribute_is_asked_anew() -> None:
    served = Served(directory(f=Thing(content=b"1")))
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        served.write_content(served.root.children["f"], b"12")
        assert client.raw.getattr(node).attributes.st_size == 2
        assert served.calls == ["lookup", "getattr"]


@pytest.mark.parametrize("operation", ["lookup", "getattr"])
def test_an_answer_computed_before_a_change_and_sent_after_it_gets_no_time(operation: str) -> None:
    served = Served(directory(f=Thing(content=b"1")))
    node_object = served.root.children["f"]
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        served.inode_table.changed(node_object, content=True)

        def change(name: str) -> None:
            served.inode_table.changed(node_object, content=True)

        served.while_answering = change
        if operation == "lookup":
            assert client.raw.lookup(1, b"f").attr_timeout == 0
        else:
            assert client.raw.getattr(node).timeout == 0
        served.while_answering = lambda name: None
        assert client.raw.getattr(node).timeout == math.inf, "what was sent late is not published"
        assert served.calls[-1] == "getattr"
        served.inode_table.check()


def test_a_name_that_changed_while_it_was_looked_up_gets_no_time() -> None:
    """With the listing published, and without: then any change of names in between counts."""
    for published in (False, True):
        served = Served(directory(f=Thing(), g=Thing()))
        if published:
            served.publish(served.root)
        with Client(served) as client:

            def replace(name: str, served: Served = served) -> None:
                served.inode_table.child_set(served.root, "f", Thing(), 0, 8)

            served.while_answering = replace
            assert client.raw.lookup(1, b"f").entry_timeout == 0
            served.while_answering = lambda name: None
            assert client.raw.lookup(1, b"g").entry_timeout == math.inf
            served.inode_table.check()


def test_attributes_that_are_not_published_have_their_own_timeouts() -> None:
    served = Served(directory(f=Thing()))

    def unpublished(node: Thing) -> NodeAttributes:
        attributes = served.inode_table.begin(node)
        attributes.st_mode = node.mode
        attributes.publish = False
        attributes.entry_timeout, attributes.attr_timeout = 7.0, 2.5
        return attributes

    served._attributes = unpublished  # type: ignore[method-assign]
    with Client(served) as client:
        entry = client.raw.lookup(1, b"f")
        assert (entry.entry_timeout, entry.attr_timeout) == (7.0, 2.5)
        client.raw.getattr(entry.node_id)
        client.raw.getattr(entry.node_id)
        assert served.calls == ["lookup", "getattr", "getattr"]


def test_attributes_of_another_table_are_refused() -> None:
    served, other = Served(directory(f=Thing())), Served(directory())
    served._attributes = lambda node: other.inode_table.begin(node)  # type: ignore[method-assign]
    with Client(served) as client, refused(errno.EIO):
        client.raw.lookup(1, b"f")
    assert served.inode_table.statistics().lookups == 0


def test_an_answer_that_nobody_waits_for_any_more_leaves_no_count() -> None:
    """The client goes away while the handler runs: the reply fails, and its count is taken back."""
    served = Served(directory(f=Thing()))
    running, go_on = threading.Event(), threading.Event()

    def wait(name: str) -> None:
        running.set()
        go_on.wait(10)

    served.while_answering = wait
    client = Client(served)
    with client:
        client.raw.submit_lookup(1, b"f")
        assert running.wait(10)
        client.connection.close()
        go_on.set()
        client.close()
    assert served.inode_table.statistics().lookups == 0
    served.inode_table.check()


def test_an_open_page_cache_file_keeps_pages_only_when_nothing_is_on_its_way() -> None:
    served = Served(directory(f=Thing(content=b"1")), quiet=True)
    node_object = served.root.children["f"]
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        client.raw.open(node)
        assert client.raw.open(node).flags & OpenedFlag.KEEP_CACHE
        node_object.content = b"2"
        assert served.inode_table.changed(node_object, content=True) is not None
        client.raw.open(node)
        assert not client.raw.open(node).flags & OpenedFlag.KEEP_CACHE
        assert served.inode_table.take_notices() == [("inode", node, 0, 0)]
        assert client.raw.open(node).flags & OpenedFlag.KEEP_CACHE
