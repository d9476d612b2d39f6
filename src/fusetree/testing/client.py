r"""A tree served and used without a kernel: the real libfuse on one end of a socket pair, a pretended kernel
on the other.

No mount, no root, no ``/dev/fuse``; everything else (the core, the inode table, the adapter, the threads) is
what a mount runs.

    with Client(Dir({"motto": "do good\n"})) as client:
        assert client.read_text("motto") == "do good\n"

What is written to the tree by this process is known to the client's next call, because each call first takes
in what the server has sent.
"""

from __future__ import annotations

import socket
import weakref
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from fusetree.testing.connection import Credentials
from fusetree.testing.deadlines import wait_until
from fusetree.testing.loops import BackendName, LoopThread
from fusetree.testing.paths import PathClient
from fusetree.testing.protocol import DEFAULT_CAPABILITIES, FUSE_ROOT_ID, InitFlag

if TYPE_CHECKING:
    from fusetree.lowlevel import InodeTable, Operations, Session, SessionOptions
    from fusetree.nodes import BecomesNode, Dir

__all__ = ["Client"]


class Client(PathClient):
    """A tree, or `lowlevel.Operations`, behind a pretended kernel.

    Two levels: the methods of this class are system calls by path, with a kernel's caches between; `raw` has
    the requests of the protocol.
    Every wait ends after `timeout` seconds with an `UnansweredError` that tells what was waited for.

    Attributes:
        raw: requests by node id, nothing cached (`RawClient`).
        kernel: what is cached (`Kernel`).
        notifications: what the server told by itself (`Recorder`).
        init_reply: what the server answered to INIT.
        operations: what is served.
        session: the session that serves it.
    """

    operations: Operations
    session: Session

    def __init__(
        self,
        root: Dir | BecomesNode | Mapping[str, Any] | Operations,
        *,
        workers: int = 8,
        backend: BackendName = "threads",
        sync_handlers: Literal["loop", "threads"] = "loop",
        loop_debug: bool = False,
        strict: bool = False,
        timeout: float = 10.0,
        credentials: Credentials | None = None,
        default_permissions: bool = True,
        capabilities: InitFlag = DEFAULT_CAPABILITIES,
        options: SessionOptions | str | Iterable[str] = (),
        **node_options: Any,
    ) -> None:
        """Serve *root* and do the handshake.

        Args:
            root: a directory node, a mapping that one is made of, or operations.
            workers: handlers that may run at once in threads. What is ``async`` in a tree runs in a loop
                beside them, as under a mount.
            backend: who runs the handlers: "threads", or an "asyncio" or "trio" loop in a thread of its own.
            sync_handlers: where a loop has ordinary handlers run, see `lowlevel.Session.serve`.
            loop_debug: asyncio's debug mode.
            strict: an exception in a handler that is a bug is raised by `close`.
            timeout: seconds that every wait may take.
            credentials: who asks; root with this process' id unless given.
            default_permissions: check permission bits as the mount option does.
            capabilities: what the pretended kernel offers in INIT.
            options: for `lowlevel.Session`; those of the mount itself mean nothing here.
            **node_options: for `adapter.NodeOperations`, only for a tree: ``kernel_cache``, ``ro``,
                ``coherence_wait``, ``locks``.
        """
        from fusetree.lowlevel import Operations, Session

        is_low_level = isinstance(root, Operations)
        if isinstance(root, Operations):
            if node_options:
                raise TypeError(f"{', '.join(node_options)}: only for a tree, not for operations")
            operations: Operations = root
        else:
            from fusetree.adapter import NodeOperations
            from fusetree.mounting.mounted import as_directory

            operations = NodeOperations(as_directory(root), **node_options)
        self.operations = operations
        kernel_end, server_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        super().__init__(
            kernel_end,
            timeout=timeout,
            credentials=credentials,
            default_permissions=default_permissions,
            capabilities=capabilities,
        )
        self._closed = False
        self._loop: LoopThread | None = None
        try:
            with server_end:  # the session has a duplicate
                self.session = Session(operations, options=options, fd=server_end.fileno(), strict=strict)
            handshake = self.send_init()  # waits in the socket until the session reads it
            if backend == "threads":
                # As a mount does; low-level handlers are refused as `Session.run` refuses them.
                self.session.start(workers, async_handlers="refuse" if is_low_level else "loop")
            else:
                self._loop = LoopThread(
                    self.session, backend, debug=loop_debug, sync_handlers=sync_handlers, workers=workers
                )
            self.finish_init(handshake)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session, as unmounting does.  Idempotent.

        Raises:
            BaseException: what a strict session kept.
        """
        if self._closed:
            return
        self._closed = True
        self.finish_requests()
        try:
            if hasattr(self, "session"):
                self.session.close()
            if self._loop is not None:
                self._loop.join(self.timeout)
        finally:
            self.connection.close()
            close_operations = getattr(self.operations, "close", None)
            if close_operations is not None:
                close_operations()

    def finish_requests(self) -> None:
        """Let the server see the end of the requests, as when the file system is unmounted from outside."""
        self.connection.finish_requests()

    # -- what the server still knows ---------------------------------------------------------------

    @property
    def table(self) -> InodeTable:
        """The server's inode table.

        Raises:
            TypeError: the operations have none.
        """
        table = self.operations.inode_table
        if table is None:
            raise TypeError(f"{type(self.operations).__name__} has no inode table")
        return table

    def wait_forgotten(self, node: object, *, timeout: float | None = None) -> None:
        """Wait until the server counts no lookup of *node* any more (forgets have no reply to wait for).

        Args:
            node: a node of the tree, or a node id.
            timeout: seconds.

        Raises:
            UnansweredError: it still counts some; the text tells how many, and how many of them this client
                holds.
        """
        table = self.table

        def number() -> int:
            return node if isinstance(node, int) else table.node_id(node)

        def count() -> int:
            return _lookup_count(table, number())

        wait_until(
            lambda: count() == 0,
            lambda: (
                f"{node!r} (node id {number()}) is looked up {count()} times at the server; "
                f"this client holds {self.lookup_counts.get(number(), 0)} of them"
            ),
            timeout=self.timeout if timeout is None else timeout,
        )

    def wait_all_forgotten(self, *, timeout: float | None = None) -> None:
        """Wait until the server counts no lookups but what this client holds of nodes in use."""
        expected = sum(count for node, count in self.lookup_counts.items() if node != FUSE_ROOT_ID)
        wait_until(
            lambda: self.table.statistics().lookups == expected,
            lambda: f"the server counts {self.table.statistics().lookups} lookups, this client {expected}",
            timeout=self.timeout if timeout is None else timeout,
        )

    def wait_collected(
        self, references: weakref.ref[Any] | Iterable[weakref.ref[Any]], *, timeout: float | None = None
    ) -> None:
        """Wait until the objects behind weak references are gone; cycles are collected meanwhile.

        Raises:
            UnansweredError: some live on; the text has them, and what refers to the first.
        """
        import gc

        all_references = [references] if isinstance(references, weakref.ref) else list(references)

        def gone() -> bool:
            if all(reference() is None for reference in all_references):
                return True
            gc.collect()
            return all(reference() is None for reference in all_references)

        def left() -> str:
            alive = [obj for obj in (reference() for reference in all_references) if obj is not None]
            referrers = [type(r).__name__ for r in gc.get_referrers(alive[0])] if alive else []
            return (
                f"{len(alive)} of {len(all_references)} objects live on: {alive[:3]!r}, kept by {referrers}"
            )

        wait_until(gone, left, timeout=self.timeout if timeout is None else timeout)

    def check(self) -> None:
        """Verify the invariants of the client's books and of the server's table.

        Raises:
            AssertionError: with what is wrong.
        """
        self.connection.pump()
        with self.kernel.lock:
            self.kernel.check()
        if self.operations.inode_table is not None:
            self.operations.inode_table.check()


def _lookup_count(table: InodeTable, node_id: int) -> int:
    if node_id == 0:
        return 0
    try:
        return table.lookup_count(node_id)
    except OSError:
        return 0  # ESTALE: unknown, so nothing is counted
