"""mount() and Mount: a tree mounted in the background of the program that owns it.

    MOUNTED --close(), end of with, interpreter exit--> CLOSED
    MOUNTED --unmounted from outside--> ENDED --close()--> CLOSED

Rule 1: only the process that mounted unmounts.  A forked child has the object but not the mount.
Rule 2: `close()` may be called from any thread, any number of times, and returns when nothing is mounted any
more.
Rule 3: there is no state of the module; each mount has its own session, adapter and place in the
interpreter's exit.
"""

from __future__ import annotations

import atexit
import builtins
import errno
import logging
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import attrs

from fusetree.errors import MountError, SessionClosedError, UnsupportedFeatureError
from fusetree.mounting import mountpoint as place
from fusetree.mounting.options import MountOptions
from fusetree.nodes import Dir, as_node
from fusetree.observe import STATISTICS_XATTR, statistics_document

if TYPE_CHECKING:
    from fusetree.adapter import NodeOperations
    from fusetree.lowlevel import Session
    from fusetree.mounting.announcer import Announcer
    from fusetree.mounting.loops import Serving
    from fusetree.nodes import BecomesNode

    if sys.version_info >= (3, 11):
        from typing import Self
    else:
        from typing_extensions import Self

logger = logging.getLogger("fusetree")


class Mount:
    """A mounted tree.  Made by `mount()`; a context manager, also of `async with`, that unmounts at its end.

    Inside `async with`, under asyncio or trio, the event loop serves the tree: the program's own code, called
    by readers and writers, then runs in the loop's thread.  Else background threads serve it.

    Without `with`, the mount stays until `close()`, until somebody unmounts it from outside, or until the
    interpreter exits.  Keeping the object is not needed for that.

    Attributes:
        root: the directory node at the top.
        mountpoint: where, as an absolute path.
        options: the settings that it was mounted with.
        session: the low-level session underneath, for notifications and statistics.
    """

    def __init__(
        self, root: Dir, mountpoint: str, options: MountOptions, session: Session, operations: NodeOperations
    ) -> None:
        self.root = root
        self.mountpoint = mountpoint
        self.options = options
        self.session = session
        self._operations = operations
        self._process = os.getpid()
        self._lock = threading.RLock()  # held while closing, so that a second caller waits for the first
        self._closed = False  # guarded by _lock
        self._serving: Serving | None = None  # inside `async with`
        self._loop_thread = 0  # its thread, then
        operations.own_xattrs[STATISTICS_XATTR.encode()] = lambda: statistics_document(
            session, operations.cache_statistics()
        )
        self._announcer: Announcer | None = None  # with events=True
        self._failures: list[BaseException] = []  # guarded by _lock; what strict=True has to raise
        atexit.register(self._close)

    def _begin_announcing(self) -> None:
        if self.options.events:
            from fusetree.adapter import AnnouncedOperations
            from fusetree.mounting.announcer import Announcer

            assert isinstance(self._operations, AnnouncedOperations)
            self._announcer = Announcer(self._operations, self.session)

    def __repr__(self) -> str:
        return f"<Mount of {self.root!r} at {self.mountpoint!r}{', closed' if self.closed else ''}>"

    @property
    def closed(self) -> bool:
        """Whether it is unmounted: by us, from outside, or because this is a forked child that never had
        it.
        """
        return self._closed or os.getpid() != self._process or self.session.closed

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the tree is unmounted, from outside or by another thread's `close()`.

        Arguments:
            timeout: how many seconds at most; None waits for ever.  Signals are handled meanwhile, so Ctrl-C
                raises KeyboardInterrupt here.

        Returns:
            True when it is unmounted, False when the time ran out.
        """
        if os.getpid() != self._process:
            return True
        if self._loop_thread == threading.get_ident():
            raise RuntimeError("wait() would block the event loop that serves the mount: await unmounted()")
        try:
            return self.session.wait(timeout)
        except Exception as error:
            if not self.options.strict:
                raise
            self._keep(error)  # a strict mount ends at the first failure, and raises where it is closed
            return True

    def close(self) -> None:
        """Unmount, stop the threads, and let the nodes go.

        It may be called again, from any thread, and after the tree was unmounted from outside.  Files that
        clients still hold open answer errors from then on.

        Raises:
            ExceptionGroup: with `strict=True`, of what handlers raised (the first of them alone on Python
                3.10).
        """
        self._close()
        with self._lock:
            failures, self._failures = self._failures, []
        if failures:
            raise _strict_error(failures)

    def _close(self) -> None:
        if (
            os.getpid() != self._process
        ):  # before the lock: in a forked child another thread may seem to hold it
            return
        with self._lock:
            if self._closed:
                return
            if self._announcer is not None:
                self._announcer.stop()
            try:
                self.session.close()
            except Exception as error:
                if not self.options.strict:
                    raise
                self._keep(error)
            finally:
                if self._announcer is not None:
                    self._announcer.join()
                self._operations.close()
            self._closed = True
            atexit.unregister(self._close)
            logger.info("unmounted from %s", self.mountpoint)

    def _keep(self, error: Exception) -> None:
        with self._lock:
            self._failures.extend(getattr(error, "exceptions", (error,)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        with self._lock:
            failures, self._failures = self._failures, []
        if failures:
            # The body's own exception is most often what the handler's caused (an EIO), so both go out
            # together.
            raise _strict_error(failures if error is None else [*failures, error])

    async def __aenter__(self) -> Self:
        from fusetree.mounting.loops import serving

        if self.closed:
            raise SessionClosedError("the tree is unmounted")
        self._serving = serving(self.session)
        self._loop_thread = threading.get_ident()
        await self._serving.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._serving is not None
        try:
            failure = await self._serving.end()
        finally:
            self._loop_thread = 0
            self._close()
        if failure is not None:
            if not self.options.strict or not isinstance(failure, Exception):
                raise failure
            self._keep(failure)
        self.__exit__(kind, error, traceback)

    async def unmounted(self) -> None:
        """Inside `async with`, wait until the tree is unmounted from outside.

        Raises:
            RuntimeError: no event loop serves the tree.
        """
        if self._serving is None:
            raise RuntimeError("unmounted() is for `async with mount(...)`; without a loop, call wait()")
        await self._serving.ended()


def _strict_error(failures: list[BaseException]) -> BaseException:
    """What leaves a strict mount: a group on Python 3.11 and later, the first exception before that."""
    if sys.version_info >= (3, 11):
        return builtins.BaseExceptionGroup("exceptions in handlers of a strict mount", failures)
    return failures[0]


def as_directory(root: object) -> Dir:
    """The directory node that *root* is or becomes.

    Raises:
        TypeError: it is nothing that a directory can be made of.
    """
    if isinstance(root, Dir):
        return root
    if isinstance(root, Mapping):
        return Dir(root)
    if not isinstance(root, type) and hasattr(root, "__fusetree_node__"):
        node = as_node(root)
        if isinstance(node, Dir):
            return node
    if isinstance(root, type):
        raise TypeError(f"{root.__name__} is a class; mount an instance of it: {root.__name__}(...)")
    if hasattr(root, "lookup") and hasattr(root, "getattr"):
        raise TypeError(
            f"{type(root).__name__} holds low-level handlers, not nodes; "
            "use fusetree.lowlevel.Session(ops, mountpoint)"
        )
    raise TypeError(
        f"the root of a mount is a directory node or a mapping of names to nodes, not {type(root).__name__}"
    )


def _passthrough(wish: bool | Literal["auto"], kernel_cache: bool) -> bool | Literal["auto"] | None:
    """What the session is to ask for; None: nothing. Only root may hand files to the kernel, and a mount
    without kernel caching is one on which every system call is a request.

    Raises:
        UnsupportedFeatureError: It is insisted on, and this is not root.
    """
    is_root = os.geteuid() == 0
    if wish is True and not is_root:
        raise UnsupportedFeatureError("passthrough", reason="only root may hand files to the kernel")
    return wish if wish and is_root and kernel_cache else None


def mount(
    root: Dir | BecomesNode | Mapping[str, Any],
    mountpoint: str | os.PathLike[str],
    *,
    kernel_cache: bool = True,
    workers: int = 8,
    strict: bool = False,
    coherence_wait: float = 0.1,
    max_cached_nodes: int | None = None,
    locks: Literal["kernel", "program"] = "kernel",
    passthrough: bool | Literal["auto"] = False,
    events: bool = False,
    ro: bool = False,
    allow_other: bool = False,
    default_permissions: bool = True,
    suid: bool = False,
    dev: bool = False,
    fsname: str = "fusetree",
    subtype: str = "fusetree",
    options: str | Iterable[str] = (),
    clear_stale: bool = False,
) -> Mount:
    """Mount a tree and serve it from background threads of this process.

    When it returns, the tree is mounted and answers: nothing has to be waited for.

    Arguments:
        root: the directory node to mount, or what one is made of: a mapping (a dict), a `Router`.
        mountpoint: an existing directory.  What is in it is hidden while the mount stands.
        kernel_cache: let the kernel cache declared nodes until they change.  False turns every caching off,
            to debug and to measure.
        workers: how many handlers may run at the same time.
        strict: an exception in a handler that is a bug is raised out of the `with` block or `close()`, for
            tests.
        coherence_wait: how many seconds a change to a node may wait until the kernel has been told of it.
        max_cached_nodes: how many nodes the kernel may know, or not many more, for trees that are huge: those
            that were looked up least recently, and are not open, are given back.  None: any number.
        locks: who keeps the locks of files, of fcntl(2) and flock(2): "kernel", which is right unless a class
            of the tree has `getlk`, `setlk` or `flock`; or "program", which asks those classes, and keeps the
            locks of all other files here.  Each lock, and each close(2), is then a request.
        passthrough: the kernel reads, writes and maps files of a `HostDir` (and what else has `backing`, see
            `fusetree.nodes.capabilities`) by itself, so that their bytes never come here; "auto": where it
            can, which takes root, libfuse 3.17 and Linux 6.9, and nothing is said where it cannot.  Other
            mounts of the same tree hear of what is written when the file is closed, and such a mount counts
            as one of the two that may be stacked on each other (overlayfs).
        events: let programs that watch the mount by inotify(7) see what this program changes, too, as far
            as the kernel lets us: IN_MODIFY, IN_CLOSE_WRITE, IN_ATTRIB, IN_CREATE, IN_DELETE, moves,
            IN_DELETE_SELF.  It cannot go with `ro`.
        ro: mount read-only; every write is refused with EROFS.
        allow_other: let other users in.  For everybody but root it needs `user_allow_other` in
            `/etc/fuse.conf`.
        default_permissions: let the kernel check mode, owner and group of each node.
        suid: let set-user-id bits count (root only).
        dev: let device nodes work (root only).
        fsname: what `mount` and `df` show as the device.
        subtype: what follows `fuse.` in the file system type.
        options: further options, each as after `mount -o`.
        clear_stale: unmount what a killed server left at the mountpoint, instead of raising
            `StaleMountError`.

    Returns:
        The mount, a context manager.

    Raises:
        TypeError: *root* is nothing that can be mounted, or an option has the wrong type.
        ValueError: an option makes no sense.
        StaleMountError: the mount of a killed server is at the mountpoint.
        MountError: the mountpoint, the device or the kernel refuses; the text says what to do.
        UnsupportedFeatureError: `passthrough=True`, and it is not to be had.
    """
    from fusetree.adapter import AnnouncedOperations, NodeOperations
    from fusetree.lowlevel import Session, SessionOptions

    settings = MountOptions(
        kernel_cache=kernel_cache,
        workers=workers,
        strict=strict,
        coherence_wait=coherence_wait,
        max_cached_nodes=max_cached_nodes,
        locks=locks,
        passthrough=passthrough,
        events=events,
        ro=ro,
        allow_other=allow_other,
        default_permissions=default_permissions,
        suid=suid,
        dev=dev,
        fsname=fsname,
        subtype=subtype,
        extra=options,
    )
    directory = as_directory(root)
    path = place.absolute(mountpoint)
    place.prepare(path, settings, clear_stale=clear_stale)
    operations = (AnnouncedOperations if events else NodeOperations)(
        directory,
        kernel_cache=kernel_cache,
        ro=settings.read_only,
        coherence_wait=coherence_wait,
        checks_permissions=default_permissions,
        max_cached_nodes=max_cached_nodes,
        locks=locks,
    )
    session = mounted = None
    try:
        wanted = SessionOptions.of(settings.strings())
        wished = _passthrough(passthrough, kernel_cache)
        if wished is not None:
            wanted = attrs.evolve(wanted, passthrough=wished)
        session = Session(operations, path, wanted, strict=strict)
        if wished is not None:
            operations.pass_through(session.open_backing, session.close_backing, insists=wished is True)
        session.start(workers, async_handlers="loop")
        mounted = Mount(directory, path, settings, session, operations)
        mounted._begin_announcing()
    except BaseException as error:
        if mounted is not None:
            mounted._close()
        elif session is not None:
            session.close()
        operations.close()
        if isinstance(error, OSError) and not isinstance(error, MountError):
            raise MountError(
                error.errno or errno.EIO, f"cannot mount: {error.strerror or error}", path
            ) from error
        raise
    logger.info("mounted at %s", path)
    return mounted
