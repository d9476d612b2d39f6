"""From nodes to attributes: first touch, what is published, timeouts, paths in messages."""

from __future__ import annotations

import errno
import math
import os
import stat
from typing import TYPE_CHECKING

import pytest

from fusetree import Dir, File, Symlink, computed, entry, node
from fusetree.adapter import NodeOperations
from fusetree.lowlevel import ROOT_INODE
from tests.adapter.conftest import ROOT, Requests
from tests.support import raises_errno

if TYPE_CHECKING:
    from tests.adapter.conftest import Serve


@node
class Values(Dir):
    number: int = entry(12)
    document: dict[str, int] = entry(factory=dict)

    @computed
    def now(self) -> str:
        return "now"

    @computed(size="exact", ttl=2.5)
    def exact(self) -> str:
        return "1234"


def test_attributes_are_the_nodes(serve: Serve) -> None:
    file = File("12345", mode=0o640, uid=7, gid=8, ino=99)
    file.set_times(atime_ns=10**18, mtime_ns=2 * 10**18)
    attr = serve(Dir({"f": file})).lookup("f")
    assert (attr.st_ino, attr.st_uid, attr.st_gid, attr.st_size, attr.st_blocks) == (99, 7, 8, 5, 1)
    assert attr.st_mode == stat.S_IFREG | 0o640
    assert (attr.st_atime_ns, attr.st_mtime_ns) == (10**18, 2 * 10**18)
    assert attr.st_ctime_ns == file.ctime_ns
    assert attr.node_id != attr.st_ino


def test_who_owns_nothing_belongs_to_the_server(serve: Serve) -> None:
    attr = serve(Dir({"f": "x"})).lookup("f")
    assert (attr.st_uid, attr.st_gid) == (os.geteuid(), os.getegid())


def test_links_and_sizes(serve: Serve) -> None:
    file = File("x")
    requests = serve(Dir({"f": file, "g": file, "d": {"e": {}}, "l": Symlink("ü/x")}))
    assert requests.lookup("f").node_id == requests.lookup("g").node_id
    assert requests.lookup("f").st_nlink == 2
    assert requests.lookup("d").st_nlink == 3
    assert requests.lookup("l").st_size == 4
    assert requests.ops.readlink(requests.inode("l"), ROOT) == "ü/x".encode()


def test_timeouts_of_what_is_declared(serve: Serve) -> None:
    requests = serve(Dir({"f": "x", "v": Values()}))
    for path in ("f", "v", "v/number"):
        attr = requests.lookup(path)
        assert attr.publish
        assert attr.attr_timeout == attr.entry_timeout
        assert attr.attr_timeout > 1e9


def test_timeouts_of_what_is_made_at_each_open(serve: Serve) -> None:
    requests = serve(Dir({"v": Values()}))
    for path, ttl, size in (("v/now", 0.0, 0), ("v/exact", 2.5, 5), ("v/document", 0.0, 0)):
        attr = requests.lookup(path)
        assert attr.publish == (ttl > 0)
        assert attr.entry_timeout == math.inf
        assert attr.ttl == ttl if ttl else attr.attr_timeout == 0
        assert attr.st_size == size


def test_without_the_kernels_cache_nothing_is_kept(serve: Serve) -> None:
    requests = serve(Dir({"f": "x", "v": Values()}), kernel_cache=False)
    for path in ("f", "v/number", "v/exact"):
        attr = requests.lookup(path)
        assert (attr.attr_timeout, attr.entry_timeout) == (0.0, 0.0)
    assert not requests.ops.cache_symlinks


def test_a_change_is_seen_by_the_next_request_and_told(serve: Serve) -> None:
    values = Values()
    requests = serve(Dir({"v": values}))
    before = requests.lookup("v/number")
    values.number = 12345
    assert requests.stat("v/number").st_size == 6
    assert requests.stat("v/number").st_mtime_ns >= before.st_mtime_ns


def test_what_is_unknown_is_stale_or_missing(serve: Serve) -> None:
    requests = serve(Dir({"f": "x"}))
    with raises_errno(errno.ENOENT):
        requests.lookup("missing")
    with raises_errno(errno.ESTALE):
        requests.ops.getattr(4711, ROOT)
    with raises_errno(errno.ESTALE):
        requests.ops.lookup(4711, b"f", ROOT)
    with raises_errno(errno.ENOTDIR):
        requests.ops.lookup(requests.inode("f"), b"x", ROOT)
    with raises_errno(errno.EINVAL):
        requests.ops.readlink(requests.inode("f"), ROOT)


def test_names_may_be_any_bytes(serve: Serve) -> None:
    name = b"\xff\xe4 ".decode("utf-8", "surrogateescape")
    requests = serve(Dir({name: "x"}))
    requests.held.append(requests.ops.lookup(ROOT_INODE, b"\xff\xe4 ", ROOT))
    assert requests.held[-1].st_size == 1


def test_paths_for_messages(serve: Serve) -> None:
    shared = File("x")
    inner = Dir({"f": shared})
    top = Dir({"other": {"f": shared}, "inner": inner, "v": Values()})
    requests = serve(top)
    assert requests.ops.describe(ROOT_INODE) == "/"
    assert requests.ops.describe(requests.inode("v/number")) == "/v/number"
    assert requests.ops.describe(requests.inode("v/now")) == "/v/now"
    assert requests.ops.describe(requests.inode("inner/f")) == "/inner/f"
    assert requests.ops.describe(4711) is None
    inside = serve(inner)  # a mount of a part: the path begins at its own root
    assert inside.ops.describe(inside.inode("f")) == "/f"
    number = requests.inode("inner")
    del top["inner"]
    assert requests.ops.describe(number) is None


def test_one_tree_served_twice(serve: Serve) -> None:
    file = File("x", mode=0o644)
    root = Dir({"f": file})
    one, other = serve(root), serve(root)
    assert one.lookup("f").st_ino == other.lookup("f").st_ino
    file.store("longer")
    assert one.stat("f").st_size == other.stat("f").st_size == 6
    one.ops.close()
    file.store("12")
    assert other.stat("f").st_size == 2
    assert list(root._observers_) == [other.ops.observer]


def test_closing_lets_go_of_the_tree() -> None:
    values = Values()
    file = File("x")
    root = Dir({"v": values, "f": file, "d": {"untouched": "x"}})
    requests = Requests(NodeOperations(root))
    requests.lookup("v/number")
    requests.lookup("f")
    number = values["number"]
    assert all(each._observers_ for each in (root, values, file, number))
    requests.held.clear()
    requests.ops.close()
    requests.ops.close()
    assert not any(each._observers_ for each in (root, values, file, number))
    with raises_errno(errno.ESTALE):
        requests.ops.getattr(ROOT_INODE, ROOT)
    values.number = 5


def test_a_node_that_left_the_tree_before_the_end_holds_nothing() -> None:
    file = File("x", mode=0o644)
    root = Dir({"f": file})
    requests = Requests(NodeOperations(root))
    requests.lookup("f")
    del root["f"]
    requests.held.clear()
    requests.ops.close()
    file.store("y")  # its observer is still there, and closed
    assert file._observers_ == (requests.ops.observer,)
    assert requests.ops.observer._table is None


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="directory node"):
        NodeOperations(File("x"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="coherence_wait"):
        NodeOperations(Dir(), coherence_wait=-1)
    with pytest.raises(ValueError, match="coherence_wait"):
        NodeOperations(Dir(), coherence_wait=math.nan)
