"""The pretended kernel caches what it may, no longer than it may, and gives back every lookup."""

from __future__ import annotations

import errno
import os
import stat
import threading

import pytest

from fusetree.testing import InitFlag, NotifyCode, Opcode, OpenedFlag, PathClient
from tests.testing.fake_server import ROOT, FakeServer

FOREVER = 10_000.0


def test_without_timeouts_every_walk_asks(server: FakeServer, client: PathClient) -> None:
    server.add(ROOT, "a")
    client.stat("a")
    client.stat("a")
    assert server.count(Opcode.LOOKUP) == 2
    assert client.lookup_counts == {2: 2}


def test_names_and_attributes_live_as_long_as_their_timeouts(server: FakeServer, client: PathClient) -> None:
    server.nodes[ROOT].attr_timeout = FOREVER
    server.add(ROOT, "a", entry_timeout=100, attr_timeout=10)
    client.stat("")

    def asked() -> tuple[int, int]:
        client.stat("a")
        return server.count(Opcode.LOOKUP), server.count(Opcode.GETATTR)

    assert asked() == (1, 1)  # the GETATTR is of the root
    assert asked() == (1, 1)
    client.advance(11)
    assert asked() == (1, 2)
    client.advance(100)
    assert asked() == (2, 2)  # the entry brings attributes


def test_absent_names_are_remembered_only_when_the_server_says_so(
    server: FakeServer, client: PathClient
) -> None:
    for _ in range(2):
        assert not client.exists("x")
    assert server.count(Opcode.LOOKUP) == 2
    server.nodes[ROOT].negative_timeout = FOREVER
    for _ in range(3):
        assert not client.exists("x")
    assert server.count(Opcode.LOOKUP) == 3
    server.add(ROOT, "x", entry_timeout=FOREVER)
    assert not client.exists("x")
    server.inval_entry(ROOT, b"x")
    assert client.exists("x")


def test_inval_inode_takes_attributes_pages_link_and_listing(server: FakeServer, client: PathClient) -> None:
    file = server.add(
        ROOT, "f", b"old", entry_timeout=FOREVER, attr_timeout=FOREVER, opened=OpenedFlag.KEEP_CACHE
    )
    link = server.add(
        ROOT, "l", b"one", mode=stat.S_IFLNK | 0o777, entry_timeout=FOREVER, attr_timeout=FOREVER
    )
    server.nodes[ROOT].opened = OpenedFlag.CACHE_DIR | OpenedFlag.KEEP_CACHE
    server.nodes[ROOT].attr_timeout = FOREVER
    assert (client.read_bytes("f"), client.readlink("l"), client.listdir()) == (b"old", "one", ["f", "l"])
    file.content, link.content = b"new", b"two"
    server.add(ROOT, "g")
    assert (client.read_bytes("f"), client.readlink("l"), client.listdir()) == (b"old", "one", ["f", "l"])
    server.inval_inode(file.number, -1)
    assert client.read_bytes("f") == b"old"  # attributes only
    for number in (file.number, link.number, ROOT):
        server.inval_inode(number)
    assert (client.read_bytes("f"), client.readlink("l"), client.listdir()) == (
        b"new",
        "two",
        ["f", "l", "g"],
    )


def test_an_answer_asked_before_a_notification_is_used_but_not_remembered(
    server: FakeServer, client: PathClient
) -> None:
    node = server.add(ROOT, "a", b"1", entry_timeout=FOREVER, attr_timeout=FOREVER)
    server.nodes[ROOT].attr_timeout = FOREVER
    client.stat("a")
    server.inval_inode(node.number)
    server.holding.add(Opcode.GETATTR)
    sizes: list[int] = []
    reader = threading.Thread(target=lambda: sizes.append(client.stat("a").st_size))
    reader.start()
    server.wait_for(lambda: server.requests[-1][:2] == (Opcode.GETATTR, node.number))
    node.content = b"22"
    server.inval_inode(node.number)
    client.wait_notification(NotifyCode.INVAL_INODE, since=1)
    server.let_go()
    reader.join(5)
    assert sizes == [1]
    assert client.stat("a").st_size == 2


def test_direct_io_reads_past_the_size_and_cached_reads_do_not(
    server: FakeServer, client: PathClient
) -> None:
    direct = server.add(ROOT, "direct", b"0123456789" * 1000, hide_size=True)
    cached = server.add(ROOT, "cached", b"0123456789" * 1000, hide_size=True, opened=OpenedFlag(0))
    assert client.read_bytes("direct", block=1000) == direct.content
    assert client.read_bytes("cached") == b""
    cached.hide_size = False
    assert client.read_bytes("cached", block=777) == cached.content
    with client.open("cached") as file:
        assert file.pread(10, 4090) == cached.content[4090:4100]
        assert file.pread(10, 9995) == cached.content[9995:]
        assert file.pread(10, 10000) == b""


def test_pages_are_kept_over_opens_only_with_keep_cache(server: FakeServer, client: PathClient) -> None:
    node = server.add(
        ROOT, "a", b"x" * 5000, attr_timeout=FOREVER, entry_timeout=FOREVER, opened=OpenedFlag.KEEP_CACHE
    )
    client.read_bytes("a")
    client.read_bytes("a")
    assert server.count(Opcode.READ) == 1
    node.opened = OpenedFlag(0)
    client.read_bytes("a")
    assert server.count(Opcode.READ) == 2


def test_appending_writes_where_the_kernel_thinks_the_end_is(server: FakeServer, client: PathClient) -> None:
    node = server.add(ROOT, "a", b"one\n", attr_timeout=FOREVER, entry_timeout=FOREVER)
    assert client.write("a", "two\n", append=True) == 4
    assert client.write("a", "three\n", append=True) == 6
    assert node.content == b"one\ntwo\nthree\n"
    assert client.write("a", "x") == 1
    assert node.content == b"x"
    assert client.stat("a").st_size == 1


def test_without_atomic_truncation_the_size_is_set_after_open() -> None:
    server = FakeServer(capabilities=InitFlag.BIG_WRITES)
    client = PathClient(server.client_end, timeout=5)
    client.finish_init(client.send_init())
    node = server.add(ROOT, "a", b"content")
    client.write("a", "new")
    assert node.content == b"new"
    opcodes = [opcode for opcode, _, _ in server.requests]
    assert opcodes[opcodes.index(Opcode.OPEN) :][:3] == [Opcode.OPEN, Opcode.SETATTR, Opcode.WRITE]
    client.connection.close()
    server.close()


def test_listings_come_in_order_and_plus_counts_lookups(server: FakeServer, client: PathClient) -> None:
    names = [f"name-{n:04}" for n in range(500)]
    for name in names:
        server.add(ROOT, name)
    assert client.listdir(plus=False) == names
    assert client.lookup_counts == {}
    assert client.listdir(plus=True) == names
    assert client.lookup_counts == dict.fromkeys(range(2, 502), 1)
    client.drop_caches()
    server.wait_for(lambda: not +server.lookups)
    assert client.listdir() == names
    assert 0 < len(client.lookup_counts) < 500  # PLUS for the first batch only
    client.drop_caches()
    server.wait_for(lambda: not +server.lookups)


def test_dropping_caches_gives_back_all_but_what_is_open(server: FakeServer, client: PathClient) -> None:
    directory = server.add(ROOT, "d", mode=stat.S_IFDIR | 0o755, entry_timeout=FOREVER)
    file = server.add(directory.number, "f", b"data", entry_timeout=FOREVER)
    server.add(directory.number, "g")
    client.listdir("d")
    client.stat("d/g")
    with client.open("d/f") as handle:
        client.drop_caches()
        assert set(client.lookup_counts) == {file.number}
        server.wait_for(lambda: +server.lookups == {file.number: client.lookup_counts[file.number]})
        assert handle.read() == b"data"
    server.wait_for(lambda: not +server.lookups)
    assert client.lookup_counts == {}
    assert not -server.lookups


def test_a_name_taken_back_takes_everything_below(server: FakeServer, client: PathClient) -> None:
    directory = server.add(ROOT, "d", mode=stat.S_IFDIR | 0o755, entry_timeout=FOREVER)
    below = server.add(directory.number, "e", mode=stat.S_IFDIR | 0o755, entry_timeout=FOREVER)
    server.add(below.number, "f", entry_timeout=FOREVER)
    client.stat("d/e/f")
    assert set(client.lookup_counts) == {2, 3, 4}
    server.delete(ROOT, directory.number, b"d")
    del server.nodes[ROOT].children[b"d"]
    assert not client.exists("d")
    server.wait_for(lambda: not +server.lookups)


def test_raw_lookups_are_counted_apart(server: FakeServer, client: PathClient) -> None:
    node = server.add(ROOT, "a", entry_timeout=FOREVER)
    for _ in range(3):
        client.raw.lookup(ROOT, b"a")
    client.stat("a")
    assert client.lookup_counts == {node.number: 4}
    client.raw.forget(node.number, 2)
    server.wait_for(lambda: server.lookups[node.number] == 2)
    with pytest.raises(ValueError, match="2 lookups given back, 1 were had"):
        client.raw.forget(node.number, 2)
    client.drop_caches()
    server.wait_for(lambda: server.lookups[node.number] == 0)


def test_many_forgets_go_in_batches(server: FakeServer, client: PathClient) -> None:
    for n in range(600):
        server.add(ROOT, f"{n}")
    client.listdir(plus=True)
    client.drop_caches()
    server.wait_for(lambda: not +server.lookups)
    assert server.count(Opcode.BATCH_FORGET) == 3


def test_making_moving_and_removing_names(server: FakeServer, client: PathClient) -> None:
    client.mkdir("d")
    client.symlink("d", "l")
    with client.open("l/new", "x") as file:
        file.write("text")
    assert client.read_text("d/new") == "text"
    client.link("d/new", "other")
    assert client.stat("other").st_nlink == 2
    assert client.node_id("other") == client.node_id("d/new")
    client.rename("d/new", "d/newer")
    assert client.listdir("d") == ["newer"]
    client.unlink("d/newer")
    client.rmdir("d")
    assert client.walk() == ["l", "other"]
    for call, number in [
        (lambda: client.mkdir("l"), errno.EEXIST),
        (lambda: client.unlink("absent"), errno.ENOENT),
        (lambda: client.rmdir("other"), errno.ENOTDIR),
        (lambda: client.stat("other/x"), errno.ENOTDIR),
        (lambda: client.stat("l"), errno.ENOENT),
        (lambda: client.open("other", os.O_WRONLY | os.O_CREAT | os.O_EXCL), errno.EEXIST),
        (lambda: client.readlink("other"), errno.EINVAL),
    ]:
        with pytest.raises(OSError) as caught:
            call()  # type: ignore[no-untyped-call]
        assert caught.value.errno == number
    client.drop_caches()
    server.wait_for(lambda: not +server.lookups)


def test_links_that_turn_in_circles_or_lead_out(server: FakeServer, client: PathClient) -> None:
    client.symlink("b", "a")
    client.symlink("a", "b")
    client.symlink("/etc", "out")
    for path, number in [("a", errno.ELOOP), ("out", errno.EXDEV)]:
        with pytest.raises(OSError) as caught:
            client.stat(path)
        assert caught.value.errno == number


def test_permission_bits_are_checked_as_default_permissions_does(
    server: FakeServer, client: PathClient
) -> None:
    server.add(ROOT, "public", b"x", mode=stat.S_IFREG | 0o644)
    server.add(ROOT, "private", b"x", mode=stat.S_IFREG | 0o600)
    directory = server.add(ROOT, "closed", mode=stat.S_IFDIR | 0o700)
    server.add(directory.number, "inside")
    assert client.read_text("private") == "x"
    with client.as_user(1000, 1000):
        assert client.read_text("public") == "x"
        assert not client.access("public", os.W_OK)
        for call in (
            lambda: client.read_text("private"),
            lambda: client.write("public", "y"),
            lambda: client.stat("closed/inside"),
            lambda: client.listdir("closed"),
        ):
            with pytest.raises(PermissionError):
                call()
        with pytest.raises(PermissionError) as caught:
            client.chmod("public", 0o777)
        assert caught.value.errno == errno.EPERM
        assert server.requests[-1][0] is not Opcode.SETATTR
    assert client.read_text("private") == "x"


def test_enosys_is_remembered(server: FakeServer, client: PathClient) -> None:
    server.add(ROOT, "a", b"x", attr_timeout=FOREVER)
    refused = {Opcode.OPEN, Opcode.FLUSH, Opcode.OPENDIR}
    server.intercept = lambda header, body: (errno.ENOSYS, b"") if header.opcode in refused else None
    for _ in range(2):
        assert client.read_bytes("a") == b"x"
        assert client.listdir() == ["a"]
    counts = [server.count(op) for op in (Opcode.OPEN, Opcode.FLUSH, Opcode.OPENDIR, Opcode.RELEASE)]
    assert counts == [1, 1, 1, 0]


def test_extended_attributes(server: FakeServer, client: PathClient) -> None:
    server.add(ROOT, "a")
    assert client.getxattr("a", "user.a") == b"value"
    assert client.listxattr("a") == ["user.a", "user.b"]
    for call, number in [
        (lambda: client.getxattr("a", "user.c"), errno.ENODATA),
        (lambda: client.setxattr("a", "user.c", b""), errno.EOPNOTSUPP),
    ]:
        with pytest.raises(OSError) as caught:
            call()  # type: ignore[no-untyped-call]
        assert caught.value.errno == number
