"""The inode table seen from Python: identity, counts, handles, what is let go, and what it refuses."""

from __future__ import annotations

import copy
import errno
import gc
import math
import pickle
import threading
import weakref
from collections.abc import Callable

import pytest

from fusetree.lowlevel import InodeTable
from tests.lowlevel.tables import Thing, directory, listing, table_of
from tests.support import raises_errno


def test_the_root_is_node_1_from_the_start_and_stays() -> None:
    root = directory()
    table = table_of(root)
    assert table.node(1) is root
    assert table.node_id(root) == 1
    assert table.lookup_count(1) == 0
    table.forget(1, 100)
    assert table.node(1) is root
    table.check()


def test_a_node_id_is_never_given_out_twice() -> None:
    table = table_of(directory())
    seen = {1}
    for _ in range(200):
        node_id = table.begin(Thing()).node_id
        assert node_id not in seen
        seen.add(node_id)
    assert table.statistics().entries == 1
    table.check()


def test_one_node_has_one_entry_however_often_it_is_begun() -> None:
    table = table_of(directory())
    node = Thing()
    first, second = table.begin(node), table.begin(node)
    assert first.node_id == second.node_id
    assert table.statistics().entries == 2
    assert table.statistics().pins == 3
    del first
    assert table.node_id(node) == second.node_id
    table.check()


def test_an_unknown_node_id_is_estale() -> None:
    table = table_of(directory())
    calls: list[Callable[[], object]] = [
        lambda: table.node(77),
        lambda: table.open(77),
        lambda: table.publish_directory(77, []),
        lambda: table.set_xattrs(77, True),
    ]
    for call in calls:
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.ESTALE
    assert table.node_id(Thing()) == 0
    assert table.lookup_count(77) == 0
    table.forget(77, 1)
    assert table.publish_content(77, 1, b"", direct_io=False, snapshot=False) is False


def test_a_dropped_answer_lets_go_of_the_node() -> None:
    table = table_of(directory())
    node = Thing()
    gone = weakref.ref(node)
    attributes = table.begin(node)
    del node
    assert table.node(attributes.node_id) is gone()
    del attributes
    assert table.statistics().dead == 1
    assert table.reap() == 1
    assert gone() is None
    table.check()


def test_attributes_show_their_own_inode_number_and_keep_the_node_id() -> None:
    table = table_of(directory(), timeout=5.0)
    attributes = table.begin(Thing())
    attributes.st_ino = 4711
    assert (attributes.st_ino, attributes.node_id) == (4711, 2)
    assert (attributes.entry_timeout, attributes.attr_timeout) == (5.0, 5.0)
    assert attributes.publish is True
    for use in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError):
            use(attributes)
    with pytest.raises(TypeError):
        type(attributes)()


def test_attributes_keep_their_table_alive() -> None:
    attributes = table_of(directory()).begin(Thing())
    gc.collect()
    assert attributes.node_id == 2
    del attributes


def test_the_change_counter_moves_with_each_change() -> None:
    table = table_of(directory())
    node = Thing()
    before = table.begin(node)
    table.changed(node, content=False)
    table.changed(node, content=True)
    assert table.begin(node).change == before.change + 2


def test_content_is_stored_for_the_current_change_only() -> None:
    table = table_of(directory())
    node = Thing()
    attributes = table.begin(node)
    assert table.publish_content(attributes.node_id, attributes.change, b"a", direct_io=True, snapshot=True)
    assert table.statistics().contents == 1
    table.changed(node, content=True)
    table.reap()
    assert table.statistics().contents == 0
    assert not table.publish_content(
        attributes.node_id, attributes.change, b"a", direct_io=True, snapshot=True
    )
    assert not table.publish_link(attributes.node_id, attributes.change, b"a")
    table.check()


def test_a_change_of_attributes_alone_leaves_the_content() -> None:
    table = table_of(directory())
    node = Thing()
    attributes = table.begin(node)
    table.publish_content(attributes.node_id, attributes.change, b"a", direct_io=True, snapshot=True)
    table.changed(node, content=False)
    assert table.statistics().contents == 1


def test_handles_are_told_apart_by_generation() -> None:
    table = table_of(directory())
    node = Thing()
    attributes = table.begin(node)
    node_id = attributes.node_id
    old = table.open(node_id, state="first")
    assert (table.state(old), table.opened(old)) == ("first", node_id)
    assert table.release(old) == "first"
    new = table.open(node_id)
    assert new != old
    assert table.state(new) is None
    for call in (table.state, table.opened, table.release):
        for fh in (old, 0, 2**64 - 1):
            with pytest.raises(OSError) as caught:
                call(fh)
            assert caught.value.errno == errno.EBADF
    table.check()
    del attributes
    assert table.node(node_id) is node, "an open handle keeps the node id"
    table.release(new)
    assert table.node_id(node) == 0
    table.check()


def test_tens_of_thousands_of_handles() -> None:
    table = table_of(directory())
    attributes = table.begin(Thing())
    handles = [table.open(attributes.node_id, content=b"x", state=number) for number in range(20_000)]
    assert len(set(handles)) == len(handles)
    assert table.statistics().handles == 20_000
    table.check()
    assert [table.release(fh) for fh in reversed(handles)] == list(reversed(range(20_000)))
    table.reap()
    assert (table.statistics().handles, table.statistics().contents) == (0, 0)
    table.check()


def test_nodes_and_states_are_released_by_close() -> None:
    class State:
        pass

    root, node, state = directory(), Thing(), State()
    gone = [weakref.ref(each) for each in (root, node, state)]
    table = table_of(root)
    table.publish_directory(1, [("a", node, 1, 8)])
    table.open(1, state=state)
    held = table.begin(node)
    del root, state
    table.close()
    table.close()
    gc.collect()
    assert gone[0]() is None
    assert gone[2]() is None
    table.check()
    del held, node
    table.reap()
    assert gone[1]() is None
    assert table.statistics().entries == 0
    with pytest.raises(OSError):
        table.node(1)
    with pytest.raises(OSError):
        table.begin(Thing())


def test_a_table_that_is_dropped_releases_all() -> None:
    root, node = directory(), Thing()
    gone = [weakref.ref(root), weakref.ref(node)]
    table = table_of(root)
    table.publish_directory(1, [("a", node, 1, 8)])
    table.open(1, content=b"abc", state=node)
    del root, node, table
    gc.collect()
    assert [each() for each in gone] == [None, None]


def test_a_destructor_that_uses_the_table_does_not_deadlock() -> None:
    called = threading.Event()

    class Noisy(Thing):
        def __del__(self) -> None:
            table.statistics()
            table.changed(root, content=False)
            called.set()

    root = directory()
    table = table_of(root)
    table.publish_directory(1, [("a", Noisy(), 1, 8)])
    table.child_set(root, "a", Thing(), 0, 8)
    assert called.is_set()
    called.clear()
    table.begin(Noisy())
    table.reap()
    assert called.is_set()


def test_indexes_grow_and_shrink_with_the_nodes() -> None:
    table = table_of(directory())
    nodes = [Thing() for _ in range(5000)]
    held = [table.begin(node) for node in nodes]
    table.check()
    assert [table.node_id(node) for node in nodes] == [each.node_id for each in held]
    kept = held[::7]
    del held
    table.check()
    assert [table.node(each.node_id) for each in kept] == nodes[::7]
    assert table.statistics().entries == 1 + len(kept)
    del kept
    table.check()
    assert table.reap() == 5000


def test_the_reaper_drains_in_batches_and_ends_with_stop() -> None:
    table = table_of(directory())
    reaper = threading.Thread(target=table.run_reaper)
    reaper.start()
    gone = threading.Event()

    class Last(Thing):
        def __del__(self) -> None:
            gone.set()

    for _ in range(1000):
        table.begin(Thing())
    table.begin(Last())
    assert gone.wait(10)
    assert table.statistics().reaper_wakeups <= 100, "it is woken for a batch, not for each node"
    table.stop()
    reaper.join(10)
    assert not reaper.is_alive()
    assert table.statistics().dead == 0
    table.check()


@pytest.mark.parametrize("timeout", [-1.0, math.nan])
def test_a_timeout_is_zero_or_more(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        table_of(directory(), timeout)


def test_what_is_no_directory_gets_no_listing() -> None:
    table = table_of(directory())
    attributes = table.begin(Thing())
    table.publish_content(attributes.node_id, attributes.change, b"", direct_io=False, snapshot=False)
    with pytest.raises(ValueError, match="not a directory"):
        table.publish_directory(attributes.node_id, [])
    table.publish_directory(1, [])
    assert not table.publish_content(1, table.begin(table.node(1)).change, b"", direct_io=True, snapshot=True)
    table.check()


def test_statistics_show_themselves_and_cannot_be_changed() -> None:
    statistics = table_of(directory()).statistics()
    assert "entries=1" in repr(statistics)
    with pytest.raises(AttributeError):
        statistics.entries = 2  # type: ignore[misc]


def test_a_subclass_may_add_to_the_table() -> None:
    class Mine(InodeTable):
        pass

    table = Mine(directory(), entry_timeout=1.0, attr_timeout=1.0)
    table.publish_directory(1, listing(directory(a=Thing())))
    table.check()


def test_a_handle_that_is_adopted_is_asked_of_python() -> None:
    node = Thing()
    table = table_of(directory(f=node))
    attr = table.begin(node)
    fh = table.open(attr.node_id, content=b"pinned", direct_io=True)
    assert table.state(fh) is None
    contents = table.statistics().contents
    mine, other = object(), object()
    assert table.adopt(fh, mine) is mine
    assert table.adopt(fh, other) is mine, "who has a state keeps it"
    assert table.state(fh) is mine
    table.reap()
    assert table.statistics().contents == contents - 1, "what was pinned is let go"
    assert table.release(fh) is mine
    with raises_errno(errno.EBADF):
        table.adopt(fh, other)
    with raises_errno(errno.EBADF):
        table.changed_since_open(fh)
    table.check()


def test_a_handle_knows_whether_its_node_has_changed() -> None:
    node = Thing()
    table = table_of(directory(f=node))
    attr = table.begin(node)
    before = table.change(attr.node_id)
    one = table.open(attr.node_id)
    assert not table.changed_since_open(one)
    table.changed(node, content=True)
    assert table.changed_since_open(one)
    assert not table.changed_since_open(table.open(attr.node_id))
    assert table.changed_since_open(table.open(attr.node_id, change=before)), "its content is from before"
    with raises_errno(errno.ESTALE):
        table.change(999)
    table.check()
