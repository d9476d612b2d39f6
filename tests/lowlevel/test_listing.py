"""Names of a directory in C: what is accepted, and listings while entries come and go."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import pytest
from hypothesis import given, settings, strategies as st

from fusetree.lowlevel import InodeTable, Operations, ReaddirToken, RequestContext, readdir_name
from fusetree.testing import Client, wait_until
from tests.lowlevel.tables import Served, Thing, directory, table_of


def names_in(client: Client, size: int = 4096, *, plus: bool = False) -> list[str]:
    return [name for name in stream(client, size, plus=plus) if name not in (".", "..")]


def stream(client: Client, size: int, *, plus: bool = False) -> Iterator[str]:
    """The names, read request by request."""
    read = client.raw.readdirplus if plus else client.raw.readdir
    opened = client.raw.opendir()
    cookie = 0
    while True:
        lines = read(1, opened.fh, cookie, size)
        if not lines:
            break
        for line in lines:
            cookie = line.cookie
            yield line.name.decode("utf-8", "surrogateescape")
    client.raw.releasedir(1, opened.fh)


@pytest.mark.parametrize("name", ["", "a/b", "a\0b", "x" * 70_000])
def test_names_that_no_file_can_have_are_refused(name: str) -> None:
    root, node = directory(), Thing()
    table = table_of(root)
    with pytest.raises(ValueError, match="name"):
        table.publish_directory(1, [("fine", node, 1, 8), (name, node, 1, 8)])
    with pytest.raises(ValueError, match="name"):
        table.child_set(root, name, node, 1, 8)
    with pytest.raises(ValueError, match="name"):
        table.child_removed(root, name, node)
    assert not table.is_published(1)
    table.check()


def test_a_name_that_comes_twice_is_refused() -> None:
    table = table_of(directory())
    with pytest.raises(ValueError, match="twice"):
        table.publish_directory(1, [("a", Thing(), 1, 8), ("a", Thing(), 1, 8)])
    assert not table.is_published(1)


def test_an_error_in_the_items_publishes_nothing() -> None:
    def items() -> Iterator[tuple[str, object, int, int]]:
        yield ("a", Thing(), 1, 8)
        raise KeyError("user code")

    table = table_of(directory())
    with pytest.raises(KeyError):
        table.publish_directory(1, items())
    with pytest.raises(TypeError):
        table.publish_directory(1, [(b"bytes", Thing(), 1, 8)])  # type: ignore[list-item]
    assert not table.is_published(1)


def test_a_published_directory_is_not_published_again() -> None:
    root = directory()
    table = table_of(root)
    table.publish_directory(1, [("a", Thing(), 1, 8)])
    table.publish_directory(1, [("b", Thing(), 1, 8)])
    with Client(served_with(table, root)) as client:
        assert names_in(client) == ["a"]


def served_with(table: InodeTable, root: Thing) -> Served:
    served = Served(root)
    served.inode_table = table
    return served


@pytest.mark.parametrize("plus", [False, True])
def test_order_of_insertion_with_dots_first(plus: bool) -> None:
    served = Served(directory(z=Thing(), a=Thing(), m=directory()))
    with Client(served) as client:
        assert list(stream(client, 4096, plus=plus)) == [".", "..", "z", "a", "m"]
        served.put(served.root, "b", Thing())
        served.remove(served.root, "a")
        served.put(served.root, "a", Thing())
        assert names_in(client, plus=plus) == ["z", "m", "b", "a"]
        served.inode_table.check()


def test_lines_carry_numbers_and_types() -> None:
    root = directory(f=Thing(), d=directory(), unknown=Thing())
    served = Served(root)
    served.inode_table.publish_directory(
        1,
        [
            ("f", root.children["f"], 77, 8),
            ("d", root.children["d"], 78, 4),
            ("unknown", root.children["unknown"], 0, 8),
        ],
        parent_ino=99,
    )
    with Client(served) as client:
        client.raw.getattr(1)
        lines = {line.name: line for line in client.raw.readdir(1, client.raw.opendir().fh)}
    assert (lines[b"f"].ino, lines[b"f"].type) == (77, 8)
    assert (lines[b"d"].ino, lines[b"d"].type) == (78, 4)
    assert lines[b".."].ino == 99
    assert lines[b"."].ino == root.ino
    assert lines[b"unknown"].ino != 0, "0 would hide it from readdir(3)"


def test_names_that_are_no_utf8_come_back_as_they_were() -> None:
    raw = b"caf\xe9 \xff"
    served = Served(directory(**{raw.decode("utf-8", "surrogateescape"): Thing(), "ü" * 100: Thing()}))
    with Client(served) as client:
        lines = [line.name for line in client.raw.readdir(1, client.raw.opendir().fh)]
        assert lines[2:] == [raw, ("ü" * 100).encode()]
        assert client.raw.lookup(1, raw).node_id
        assert client.raw.lookup(1, ("ü" * 100).encode()).node_id


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("size", [256, 1000, 4096, 1 << 20])
def test_a_listing_is_whole_whatever_the_size_of_the_replies(size: int, plus: bool) -> None:
    names = [f"entry-{number:05d}" for number in range(2000)]
    served = Served(directory(**{name: Thing() for name in names}))
    with Client(served) as client:
        assert names_in(client, size, plus=plus) == names
        served.inode_table.check()


@pytest.mark.parametrize("plus", [False, True])
def test_nothing_is_lost_or_doubled_while_entries_come_and_go(plus: bool) -> None:
    stay = [f"stay-{number}" for number in range(600)]
    go = [f"go-{number}" for number in range(600)]
    root = directory()
    for pair in zip(stay, go, strict=True):
        root.children.update({name: Thing() for name in pair})
    served = Served(root)
    with Client(served) as client:
        seen = []
        for number, name in enumerate(stream(client, 512, plus=plus)):
            seen.append(name)
            if number % 3 == 0 and go:
                served.remove(root, go.pop())
                served.put(root, f"new-{number}", Thing())
                if number % 9 == 0:
                    served.remove(root, f"new-{number}")
        assert [name for name in seen if name.startswith("stay")] == stay
        assert len(seen) == len(set(seen))
        assert names_in(client, plus=plus) == list(root.children)
        served.inode_table.check()


def test_readdirplus_counts_children_that_are_known_and_no_others() -> None:
    served = Served(directory(known=Thing(), stranger=Thing()))
    table = served.inode_table
    with Client(served) as client:
        known = client.raw.lookup(1, b"known").node_id
        lines = {line.name: line.entry for line in client.raw.readdirplus(1, client.raw.opendir().fh)}
        entry = lines[b"known"]
        assert entry is not None
        assert entry.node_id == known
        assert entry.attributes.st_mode == stat.S_IFREG | 0o644
        assert table.lookup_count(known) == 2
        assert all(lines[name] is None or lines[name].node_id == 0 for name in (b".", b"..", b"stranger"))  # type: ignore[union-attr]
        assert table.statistics().lookups == 2
        client.raw.forget(known, 2)
        client.wait_forgotten(known)
        table.check()


def test_a_million_names_would_stream_and_a_hundred_thousand_do() -> None:
    child = Thing()
    served = Served(directory())
    served.inode_table.publish_directory(1, ((f"{number}", child, 5, 8) for number in range(100_000)))
    with Client(served) as client:
        assert sum(1 for _ in stream(client, 1 << 17)) == 100_002
        served.inode_table.check()


@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "remove", "replace"]), st.integers(0, 30)), min_size=1, max_size=200
    )
)
@settings(max_examples=60, deadline=None)
def test_a_listing_follows_a_dict(steps: list[tuple[str, int]]) -> None:
    root = directory()
    served = Served(root)
    table = served.inode_table
    table.publish_directory(1, [])
    for what, number in steps:
        name = f"name-{number}"
        if what != "remove" and (what == "replace") == (name in root.children):
            root.children[name] = Thing()
            table.child_set(root, name, root.children[name], 0, 8)
        elif what == "remove" and name in root.children:
            table.child_removed(root, name, root.children.pop(name))
            table.child_removed(root, name, root)  # nobody's: nothing happens
    table.check()
    with Client(served) as client:
        assert names_in(client, 600) == list(root.children)


def test_many_removals_compact_the_listing() -> None:
    root = directory(**{f"{number}": Thing() for number in range(3000)})
    served = Served(root)
    table = served.inode_table
    served.publish(root)
    for number in range(0, 3000, 1):
        if number % 10:
            table.child_removed(root, f"{number}", root.children.pop(f"{number}"))
    table.check()
    with Client(served) as client:
        assert names_in(client) == list(root.children)


class Telling(Served):
    """Publishes the attributes of the children that a reply has room for, as the adapter does."""

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        self.calls.append("readdir")
        nodes = self.inode_table.cold(token, token.inode, start_id)
        told = [self._attributes(node) for node in nodes if isinstance(node, Thing)]
        assert all(self.inode_table.publish_attributes(attributes) for attributes in told)
        self.inode_table.fill(token, token.inode, start_id)
        del told
        self.while_answering("readdir")


def test_a_listing_brings_attributes_that_nobody_has_asked_for() -> None:
    count = 100
    served = Telling(directory(**{f"f{number}": Thing(content=b"x" * number) for number in range(count)}))
    with Client(served) as client:
        fh = client.raw.opendir().fh
        sizes = []
        cookie = 0
        while lines := client.raw.readdirplus(1, fh, cookie, 4096):
            cookie = lines[-1].cookie
            sizes += [line.entry.attributes.st_size for line in lines if line.entry and line.entry.node_id]
        assert sizes == list(range(count))
        assert served.calls.count("readdir") > 1
        assert "lookup" not in served.calls
        assert served.inode_table.statistics().lookups == count
        served.inode_table.check()
        del served.calls[:]
        # Now all are known: C answers.
        assert len(list(stream(client, 4096, plus=True))) == count + 2
        assert "readdir" not in served.calls
        # Plain READDIR has no attributes to bring along, and needs none.
        served.inode_table.changed(served.root.children["f0"], content=False)
        assert len(list(stream(client, 4096))) == count + 2
        assert "readdir" not in served.calls


def test_a_listing_by_python_that_a_change_overtakes_is_taken_back() -> None:
    """The notice of a change between filling and sending may reach the kernel before the listing does."""
    served = Telling(directory(f=Thing(), g=Thing()), quiet=True)
    table = served.inode_table
    early: list[tuple[object, ...]] = []

    def change(name: str) -> None:
        if name == "readdir":
            table.changed(served.root.children["f"], content=False)
            early.extend(table.take_notices())

    served.while_answering = change
    with Client(served) as client:
        fh = client.raw.opendir().fh
        lines = client.raw.readdirplus(1, fh)
        number = next(line.entry.node_id for line in lines if line.name == b"f" and line.entry)
        assert early == [("inode", number, -1, 0)]
        wait_until(lambda: ("inode", number, -1, 0) in table.take_notices(), "the second notice")
        client.raw.releasedir(1, fh)


def test_attributes_are_published_for_the_current_change_only() -> None:
    root = directory(f=Thing())
    table, other = table_of(root), table_of(root)
    node = root.children["f"]
    attributes = table.begin(node)
    table.changed(node, content=False)
    assert not table.publish_attributes(attributes)
    attributes = table.begin(node)
    attributes.publish = False
    assert not table.publish_attributes(attributes)
    with pytest.raises(ValueError, match="another table"):
        other.publish_attributes(table.begin(node))
    assert table.publish_attributes(table.begin(node))
    table.check()


class Named(Operations):
    """Lists names, and knows no more of them."""

    kept: ReaddirToken | None = None

    def opendir(self, inode: int, ctx: RequestContext) -> int:
        return 1

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        self.kept = token
        for number in range(start_id, 1000):
            d_type = stat.S_IFDIR >> 12 if number % 2 else 0
            if not readdir_name(token, b"%d" % number, number % 2, d_type, number + 1):
                return


@pytest.mark.parametrize("plus", [False, True])
def test_names_without_attributes(plus: bool) -> None:
    class Served(Named):
        readdirplus = plus

    operations = Served()
    with Client(operations) as client:
        assert list(stream(client, 4096, plus=plus)) == [str(number) for number in range(1000)]
        read = client.raw.readdirplus if plus else client.raw.readdir
        first, second = read(1, 1, 0, 4096)[:2]
        assert (first.ino, first.type) == (0xFFFFFFFF, 0)
        assert (second.ino, second.type) == (1, 4)
        if plus:
            assert second.entry is not None
            assert second.entry.node_id == 0, "nothing is counted"
        assert operations.kept is not None
        with pytest.raises(ValueError, match="answered already"):
            readdir_name(operations.kept, b"late", 0, 0, 1)
