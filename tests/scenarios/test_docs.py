"""What a file is for can be asked of it."""

from __future__ import annotations

import errno

from fusetree import Dir, File, computed, entry, node
from fusetree.testing import Client
from tests.support import raises_errno


@node
class Worker(Dir):
    """Works through jobs."""

    jobs: int = entry(1, doc="How many jobs wait: ä")
    plain: int = entry(1)

    @computed
    def load(self) -> float:
        """The load."""
        return 0.5


def test_docs_are_extended_attributes() -> None:
    with Client(Dir({"w": Worker(), "file": File(b"")})) as client:
        assert client.getxattr("w", "user.doc") == b"Works through jobs."
        assert client.getxattr("w/jobs", "user.doc") == "How many jobs wait: ä".encode()
        assert client.getxattr("w/load", "user.doc") == b"The load."
        assert client.listxattr("w/jobs") == ["user.doc"]
        for path in ("w/plain", "file"):
            assert client.listxattr(path) == []
            with raises_errno(errno.ENODATA):
                client.getxattr(path, "user.doc")
        with raises_errno(errno.ENODATA):
            client.getxattr("w/jobs", "user.other")
        with raises_errno(errno.ENOTSUP):
            client.setxattr("w/jobs", "user.doc", b"mine")
        client.check()


def test_docs_are_there_again_after_the_kernel_forgot_the_file() -> None:
    worker = Worker()
    with Client(Dir({"w": worker})) as client:
        assert client.listxattr("w/jobs") == ["user.doc"]
        client.drop_caches()
        client.wait_all_forgotten()
        assert client.listxattr("w/jobs") == ["user.doc"]


def test_that_there_are_none_is_answered_without_python() -> None:
    with Client(Dir({"w": Worker()})) as client:
        client.stat("w/plain")
        before = client.table.statistics().answered_in_c
        assert client.listxattr("w/plain") == []
        assert client.table.statistics().answered_in_c > before


def test_the_longest_doc_is_what_an_extended_attribute_holds() -> None:
    @node
    class Long(Dir):
        value: int = entry(0, doc="ä" * 50_000)

    with Client(Long()) as client:
        value = client.getxattr("value", "user.doc")
        assert len(value) <= 65536
        assert set(value.decode()) == {"ä"}
