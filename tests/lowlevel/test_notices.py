"""What the kernel is told of changes: when, how often, in which order, and how waiting for it ends."""

from __future__ import annotations

import copy
import errno
import threading
import time

import pytest

from fusetree.lowlevel import InodeTable, RequestContext
from fusetree.testing import Client, NotifyCode
from tests.lowlevel.tables import Served, Thing, directory, listing, table_of, told
from tests.support import raises_errno


def armed_root() -> tuple[Thing, InodeTable]:
    root = directory()
    table = table_of(root)
    table.open(1)  # what is open may be in the page cache
    return root, table


# ---------------------------------------------------------------------- which changes are told


def test_a_change_of_what_nobody_knows_costs_no_notice() -> None:
    root = directory()
    table = table_of(root)
    node = Thing()
    assert table.changed(node, content=True) is None
    assert table.changed(root, content=True) is None, "known, but nothing was given to the kernel"
    assert table.child_set(root, "a", node, 0, 8) is None
    assert table.child_set(node, "a", root, 0, 8) is None
    assert table.child_removed(root, "a", node) is None
    assert table.take_notices() == []


def test_a_node_is_armed_by_an_answer_and_its_change_is_told_once() -> None:
    served = Served(directory(f=Thing()), quiet=True)
    node_object = served.root.children["f"]
    table = served.inode_table
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        assert table.statistics().armed == 1
        tickets = [table.changed(node_object, content=False) for _ in range(1000)]
        assert table.statistics().armed == 0
        assert all(ticket is not None for ticket in tickets), "each waits for the one that is on its way"
        assert told(table) == [("inode", node, -1, 0)]
        assert all(ticket.delivered for ticket in tickets if ticket)
        client.raw.getattr(node)
        assert table.changed(node_object, content=False) is not None
        assert told(table) == [("inode", node, -1, 0)]
        table.check()


def test_pages_are_dropped_only_if_there_may_be_some() -> None:
    served = Served(directory(f=Thing(content=b"x")), quiet=True)
    node_object = served.root.children["f"]
    table = served.inode_table
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        attributes, pages = ("inode", node, -1, 0), ("inode", node, 0, 0)
        table.changed(node_object, content=True)
        assert told(table) == [attributes]
        client.raw.open(node)
        table.changed(node_object, content=False)
        assert told(table, again=[attributes]) == []
        table.changed(node_object, content=True)
        assert told(table, again=[attributes]) == [pages]


def test_a_name_is_told_if_it_was_given() -> None:
    served = Served(directory(f=Thing(), g=Thing()), quiet=True)
    table, root = served.inode_table, served.root
    served.publish(root)
    with Client(served) as client:
        client.raw.lookup(1, b"f")
        table.child_set(root, "g", Thing(), 0, 8)
        table.child_set(root, "new", Thing(), 0, 8)
        assert table.take_notices() == []
        table.child_set(root, "f", Thing(), 0, 8)
        assert table.take_notices() == [("entry", 1, b"f")]
        table.child_set(root, "f", Thing(), 0, 8)
        assert told(table, again=[("entry", 1, b"f")]) == [], "not given again since"


def test_a_missing_name_is_told_when_it_appears() -> None:
    served = Served(directory(), quiet=True)
    table, root = served.inode_table, served.root
    served.publish(root)
    with Client(served) as client:
        assert client.raw.lookup(1, b"later").node_id == 0
        assert table.child_set(root, "later", Thing(), 0, 8) is not None
        assert table.take_notices() == [("entry", 1, b"later")]


def test_a_name_looked_up_before_the_listing_was_published_is_told_too() -> None:
    served = Served(directory(f=Thing()), quiet=True)
    table, root = served.inode_table, served.root
    with Client(served) as client:
        client.raw.lookup(1, b"f")
        table.child_set(root, "f", Thing(), 0, 8)
        assert table.take_notices() == [("entry", 1, b"f")]
        served.publish(root)
        table.child_removed(root, "f", root.children["f"])
        assert table.take_notices() == [("entry", 1, b"f")]


def test_a_changed_child_also_tells_its_directory() -> None:
    served = Served(directory(f=Thing()), quiet=True)
    table, root = served.inode_table, served.root
    with Client(served) as client:
        client.raw.getattr(1)
        client.raw.readdir(1, client.raw.opendir().fh)
        table.child_set(root, "new", Thing(), 0, 8)
        assert table.take_notices() == [("inode", 1, 0, 0)]
        client.raw.getattr(1)
        table.child_removed(root, "f", root.children["f"])
        assert table.take_notices() == [("inode", 1, -1, 0)]


def test_a_deletion_is_told_as_such_unless_the_name_comes_back() -> None:
    served = Served(directory(f=Thing()), quiet=True)
    table, root = served.inode_table, served.root
    served.publish(root)
    child = root.children["f"]
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        table.child_removed(root, "f", child, deleted=True)
        assert table.take_notices() == [("delete", 1, node, b"f")]
        table.child_set(root, "f", child, 0, 8)
        told(table)
        client.raw.lookup(1, b"f")
        table.child_removed(root, "f", child, deleted=True)
        table.child_set(root, "f", child, 0, 8)
        assert told(table, again=[("inode", 1, -1, 0)]) == [("entry", 1, b"f")]


def test_a_child_that_another_has_replaced_is_not_removed() -> None:
    served = Served(directory(f=Thing()))
    table, root = served.inode_table, served.root
    served.publish(root)
    assert table.child_removed(root, "f", Thing()) is None
    assert table.child_removed(root, "g", root.children["f"]) is None
    with Client(served) as client:
        assert client.raw.lookup(1, b"f").node_id


def test_nothing_is_told_of_what_was_forgotten() -> None:
    served = Served(directory(f=Thing()), quiet=True)
    table = served.inode_table
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        ticket = table.changed(served.root.children["f"], content=True)
        client.raw.forget(node, 1)
        client.wait_forgotten(node)
        assert table.take_notices() == []
        assert ticket is not None
        assert ticket.delivered


# ---------------------------------------------------------------------- queue


def test_a_name_on_its_way_is_not_queued_twice_and_all_tickets_are_good() -> None:
    served = Served(directory(f=Thing()), quiet=True)
    table, root = served.inode_table, served.root
    served.publish(root)
    with Client(served) as client:
        client.raw.lookup(1, b"f")
        tickets = [table.child_set(root, "f", Thing(), 0, 8) for _ in range(100)]
        assert all(ticket is not None and not ticket.delivered for ticket in tickets)
        assert table.statistics().notices_waiting == 1
        assert table.take_notices() == [("entry", 1, b"f")]
        assert all(ticket is not None and ticket.delivered for ticket in tickets)


def test_an_inode_that_the_client_has_not_made_yet_is_told_again_until_it_has() -> None:
    served = Served(directory(f=Thing()), quiet=True)
    table = served.inode_table
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        ticket = table.changed(served.root.children["f"], content=False)
        assert ticket is not None
        assert table.take_notices(-errno.ENOENT) == [("inode", node, -1, 0)]
        assert not ticket.delivered
        again = table.changed(served.root.children["f"], content=False)
        assert again is not None
        table.check()
        deadline = time.monotonic() + 10
        while not (taken := table.take_notices()) and time.monotonic() < deadline:
            pass
        assert taken == [("inode", node, -1, 0)]
        assert ticket.delivered
        assert again.delivered
        assert table.statistics().notices_retried == 1


def test_waiting_for_an_inode_that_never_comes_ends_with_its_forget() -> None:
    served = Served(directory(f=Thing()), quiet=True)
    table = served.inode_table
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        ticket = table.changed(served.root.children["f"], content=False)
        assert ticket is not None
        table.take_notices(-errno.ENOENT)
        client.raw.forget(node, 1)
        client.wait_forgotten(node)
        deadline = time.monotonic() + 10
        while not ticket.delivered and time.monotonic() < deadline:
            assert table.take_notices(-errno.ENOENT) == []
        assert ticket.delivered


def test_a_name_waits_for_a_handler_on_its_directory_and_others_do_not() -> None:
    other = directory(g=Thing())
    served = Served(directory(f=Thing(), d=other), quiet=True)
    table, root = served.inode_table, served.root
    served.publish(root)
    running, go_on = threading.Event(), threading.Event()
    with Client(served) as client:
        client.raw.lookup(1, b"f")
        directory_id = client.raw.lookup(1, b"d").node_id
        client.raw.lookup(directory_id, b"g")
        table.changed(root.children["f"], content=True)  # so that Python is asked again
        table.take_notices()

        def wait(name: str) -> None:
            running.set()
            go_on.wait(10)

        served.while_answering = wait
        slow = client.raw.submit_lookup(1, b"f")
        assert running.wait(10)
        ticket = table.child_set(root, "f", Thing(), 0, 8)
        table.child_set(other, "g", Thing(), 0, 8)
        assert table.take_notices() == [("entry", directory_id, b"g"), ("inode", directory_id, -1, 0)]
        assert ticket is not None
        assert not ticket.delivered
        assert table.statistics().notices_deferred == 1
        table.check()
        go_on.set()
        slow.result()
        assert table.take_notices() == [("entry", 1, b"f")]
        assert ticket.delivered
        table.check()


def test_notices_of_a_dead_session_are_dropped_and_waiters_let_go() -> None:
    root, table = armed_root()
    ticket = table.changed(root, content=True)
    assert ticket is not None
    assert table.take_notices(-errno.ENODEV)
    assert ticket.delivered
    table.open(1)
    assert table.changed(root, content=True) is None
    assert table.statistics().notices_dropped == 2


def test_other_errors_are_counted_and_do_not_hold_anybody_up() -> None:
    root, table = armed_root()
    ticket = table.changed(root, content=True)
    table.take_notices(-errno.EINVAL)
    assert ticket is not None
    assert ticket.delivered
    assert table.statistics().notices_failed == 1


# ---------------------------------------------------------------------- waiting


def test_waiting_ends_with_the_time_or_with_delivery() -> None:
    root, table = armed_root()
    ticket = table.changed(root, content=True)
    assert ticket is not None
    assert table.wait([ticket], 0.0) is False
    assert table.wait([ticket], 0.01) is False
    assert table.wait([], 0.0) is True
    delivered = []
    thread = threading.Thread(target=lambda: delivered.append(table.wait([ticket, ticket], 10.0)))
    thread.start()
    table.take_notices()
    thread.join(10)
    assert delivered == [True]
    with pytest.raises(TypeError):
        table.wait(["no ticket"], 0.0)  # type: ignore[list-item]


def test_stop_lets_waiters_go() -> None:
    root, table = armed_root()
    ticket = table.changed(root, content=True)
    assert ticket is not None
    ended = threading.Event()

    def wait() -> None:
        table.wait([ticket], 30.0)
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    table.stop()
    assert ended.wait(10)
    thread.join()
    table.check()


def test_tickets_outlive_their_table() -> None:
    root, table = armed_root()
    ticket = table.changed(root, content=True)
    del table
    assert ticket is not None
    assert ticket.delivered
    with pytest.raises(TypeError):
        copy.copy(ticket)
    with pytest.raises(TypeError):
        type(ticket)()


# ---------------------------------------------------------------------- the notifier's loop


def test_the_notifier_sends_what_is_queued() -> None:
    served = Served(directory(f=Thing(content=b"1")))
    served.publish(served.root)
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        client.raw.open(node)
        assert served.write_content(served.root.children["f"], b"2")
        told = client.notifications.wait(NotifyCode.INVAL_INODE, node_id=node)
        assert told.offset == 0
        assert served.put(served.root, "f", Thing())
        client.notifications.wait(NotifyCode.INVAL_ENTRY, parent=1, name=b"f")
        client.raw.lookup(1, b"f")
        assert served.remove(served.root, "f", deleted=True)
        client.notifications.wait(NotifyCode.DELETE, parent=1, name=b"f")
        served.inode_table.check()
    assert served.inode_table.statistics().notices_waiting == 0


def test_a_busy_setter_costs_one_notice_for_each_visit_of_a_reader() -> None:
    served = Served(directory(f=Thing()))
    node_object, table = served.root.children["f"], served.inode_table
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        for _ in range(5):
            for _ in range(10_000):
                table.changed(node_object, content=True)
            ticket = table.changed(node_object, content=True)
            assert table.wait([ticket] if ticket else [], 10)
            client.raw.getattr(node)
        assert len(client.notifications.matching(NotifyCode.INVAL_INODE, node_id=node)) <= 6


# ---------------------------------------------------------------------- what the kernel did itself


def test_what_the_kernel_did_itself_is_withdrawn_and_not_told() -> None:
    served = Served(directory(f=Thing(content=b"x")), quiet=True)
    root, node_object = served.root, served.root.children["f"]
    table = served.inode_table
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id
        client.raw.releasedir(1, client.raw.opendir(1).fh)
        served.calls.clear()
        client.raw.getattr(node)
        assert served.calls == []
        assert table.changed(node_object, content=True, told=True) is None
        assert table.child_removed(root, "f", node_object, told=True) is None
        assert table.child_set(root, "g", node_object, 0, 8, told=True) is None
        assert told(table) == []
        client.raw.getattr(node)
        assert served.calls == ["getattr"], "what was published is withdrawn all the same"
        # It holds the new name for as long as it held the old one.
        assert table.child_removed(root, "g", node_object) is not None
        assert ("entry", 1, b"g") in told(table)
        table.check()


class Asked(Served):
    """Has a handler for extended attributes, and there are none."""

    def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        self.calls.append("getxattr")
        raise OSError(errno.ENODATA, "none")


def test_that_there_are_no_xattrs_counts_only_if_nothing_has_changed() -> None:
    served = Asked(directory(f=Thing()), quiet=True)
    node_object = served.root.children["f"]
    table = served.inode_table
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id

        def asked() -> bool:
            served.calls.clear()
            with raises_errno(errno.ENODATA):
                client.raw.getxattr(node, b"user.a")
            return served.calls == ["getxattr"]

        assert not asked()
        change = table.begin(node_object).change
        table.changed(node_object, content=False)
        table.set_xattrs(node, False, change=change)
        assert asked()
        table.set_xattrs(node, False, change=table.begin(node_object).change)
        assert not asked()
        table.changed(node_object, content=True)
        assert not asked(), "other content, the same attributes"


def test_a_name_that_the_kernel_is_mistaken_about_is_told_whether_it_was_given_or_not() -> None:
    root, table = armed_root()
    node = Thing()
    root.children["a"] = node
    table.publish_directory(1, listing(root))
    assert table.name_mistaken(root, "a") is not None
    assert table.name_mistaken(root, "missing") is not None
    assert told(table) == [("entry", 1, b"a"), ("entry", 1, b"missing")]
    assert table.name_mistaken(node, "a") is None, "nobody knows it, and it is no directory"
    table.check()
