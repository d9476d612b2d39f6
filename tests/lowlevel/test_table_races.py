"""The table under many threads: whatever they do at once, the invariants hold and the counts are right."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from fusetree.lowlevel import InodeTable
from fusetree.testing import Client
from tests.lowlevel.tables import Served, Thing, directory, table_of

ROUNDS = 300


def at_once(*bodies: Callable[[], None]) -> None:
    """Run all in threads that start together; the first exception of any is raised."""
    barrier = threading.Barrier(len(bodies))
    failures: list[BaseException] = []

    def run(body: Callable[[], None]) -> None:
        barrier.wait()
        try:
            body()
        except BaseException as failure:  # noqa: BLE001 - raised again by who waits
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def repeat(body: Callable[[int], object], rounds: int = ROUNDS) -> Callable[[], None]:
    def run() -> None:
        for number in range(rounds):
            body(number)

    return run


def test_eight_threads_begin_and_drop_the_same_nodes() -> None:
    table = table_of(directory())
    nodes = [Thing() for _ in range(20)]

    def work(number: int) -> None:
        node = nodes[number % len(nodes)]
        first, second = table.begin(node), table.begin(node)
        assert first.node_id == second.node_id == table.node_id(node)
        assert table.node(first.node_id) is node

    at_once(
        *[repeat(work)] * 8, repeat(lambda number: table.check(), 30), repeat(lambda number: table.reap())
    )
    table.check()
    assert table.statistics().entries == 1


def test_handles_opened_and_released_by_eight_threads() -> None:
    table = table_of(directory())
    kept = table.begin(Thing())

    def work(number: int) -> None:
        handles = [table.open(kept.node_id, content=b"x", state=each) for each in range(5)]
        assert [table.release(fh) for fh in handles] == list(range(5))

    at_once(*[repeat(work)] * 8, repeat(lambda number: table.check(), 30))
    table.reap()
    table.check()
    assert (table.statistics().handles, table.statistics().contents) == (0, 0)


def test_a_change_against_publishing() -> None:
    """What is published belongs to the current change, however they interleave."""
    table = table_of(directory())
    node = Thing()
    lock = threading.Lock()
    node.content = b"0"

    def publish(number: int) -> None:
        attributes = table.begin(node)
        content = node.content
        table.publish_content(attributes.node_id, attributes.change, content, direct_io=True, snapshot=True)

    def change(number: int) -> None:
        with lock:
            node.content = str(number).encode()
            table.changed(node, content=True)

    held = table.begin(node)
    at_once(*[repeat(publish)] * 4, *[repeat(change)] * 4, repeat(lambda number: table.reap()))
    table.check()
    table.changed(node, content=True)
    table.reap()
    assert table.statistics().contents == 0
    del held


def test_names_set_and_removed_by_eight_threads() -> None:
    root = directory()
    table = table_of(root)
    table.publish_directory(1, [])
    lock = threading.Lock()

    def work(number: int) -> None:
        name = f"name-{random.randrange(40)}"
        with lock:  # as the tree does: changes of one directory come one after the other
            child = root.children.pop(name, None)
            if child is None:
                child = root.children[name] = Thing()
                table.child_set(root, name, child, 0, 8)
            else:
                table.child_removed(root, name, child)

    at_once(*[repeat(work)] * 8, repeat(lambda number: table.check(), 30))
    table.check()
    with Client(served_from(table, root)) as client:
        lines = client.raw.readdir(1, client.raw.opendir().fh)
    assert [line.name.decode() for line in lines][2:] == list(root.children)


def served_from(table: InodeTable, root: Thing) -> Served:
    served = Served(root)
    served.inode_table = table
    return served


@pytest.mark.parametrize("published", [False, True])
def test_forgets_against_lookups(published: bool) -> None:
    """Many lookups, each forgotten at once, while the node changes; afterwards the table is empty."""
    served = Served(directory(**{f"{number}": Thing() for number in range(8)}))
    table, root = served.inode_table, served.root
    if published:
        served.publish(root)
    with Client(served) as client:

        def work(number: int) -> None:
            entry = client.raw.lookup(1, str(number % 8).encode())
            assert entry.node_id
            if number % 3 == 0:
                client.raw.getattr(entry.node_id)
            client.raw.forget(entry.node_id, 1)

        def change(number: int) -> None:
            table.changed(root.children[str(number % 8)], content=bool(number & 1))

        at_once(*[repeat(work)] * 6, repeat(change, 2000), repeat(lambda number: table.check(), 30))
        client.wait_all_forgotten()
        table.check()
        assert table.statistics().lookups == 0
        assert table.statistics().entries <= 1 + 6, "the root, and what a dropped request still pins"


def test_readers_of_content_against_changes() -> None:
    """Each read is whole: a buffer that is withdrawn while it is sent stays alive."""
    served = Served(directory(f=Thing(content=bytes([0]) * 50_000)))
    served.snapshot = served.direct_io = True
    node_object = served.root.children["f"]
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id

        def read(number: int) -> None:
            fh = client.raw.open(node).fh
            data = client.raw.read(node, fh, 100_000)
            assert len(data) == 50_000
            assert len(set(data)) == 1
            client.raw.release(node, fh)

        def change(number: int) -> None:
            node_object.content = bytes([number % 256]) * 50_000
            served.inode_table.changed(node_object, content=True)

        at_once(
            *[repeat(read, 60)] * 6,
            repeat(change, 1000),
            repeat(lambda number: served.inode_table.check(), 30),
        )
        served.inode_table.reap()
        served.inode_table.check()
        assert served.inode_table.statistics().contents <= 1
        assert served.inode_table.statistics().handles == 0


def test_no_reader_gets_an_older_value_than_what_was_told() -> None:
    """The guarantee, as the table gives it: after a change that was delivered nobody is told less."""
    served = Served(directory(f=Thing(content=b"")))
    node_object = served.root.children["f"]
    told = 0
    served.publish(served.root)
    with Client(served) as client:
        node = client.raw.lookup(1, b"f").node_id

        def read(number: int) -> None:
            least = told
            if number % 2:
                size = client.raw.getattr(node).attributes.st_size
            else:
                size = client.raw.lookup(1, b"f").attributes.st_size
            assert size >= least

        def change(number: int) -> None:
            nonlocal told
            assert served.write_content(node_object, b"x" * (number + 1))
            told = number + 1

        at_once(*[repeat(read, 400)] * 4, repeat(change, 400))
        served.inode_table.check()


def test_waiters_and_the_notifier() -> None:
    served = Served(directory(**{f"{number}": Thing() for number in range(8)}))
    table = served.inode_table
    with Client(served) as client:
        nodes = [client.raw.lookup(1, str(number).encode()).node_id for number in range(8)]

        def work(number: int) -> None:
            node = random.randrange(8)
            client.raw.getattr(nodes[node])
            ticket = table.changed(served.root.children[str(node)], content=False)
            assert table.wait([ticket] if ticket else [], 10)

        at_once(*[repeat(work, 150)] * 8, repeat(lambda number: table.check(), 30))
        assert table.statistics().notices_waiting == 0
        table.check()


def test_closing_while_others_work() -> None:
    for _ in range(20):
        table = table_of(directory())
        nodes = [Thing() for _ in range(50)]

        def work(number: int, table: InodeTable = table, nodes: list[Thing] = nodes) -> None:
            try:
                held = table.begin(nodes[number % 50])
                fh = table.open(held.node_id, content=b"x")
                table.changed(nodes[number % 50], content=True)
                table.release(fh)
            except OSError:
                pass  # closed meanwhile

        at_once(*[repeat(work, 50)] * 4, table.close)
        table.close()
        table.reap()
        table.check()
        assert table.statistics().entries == 0
