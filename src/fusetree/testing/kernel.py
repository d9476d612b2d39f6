"""What a pretended kernel remembers: names, attributes, pages, listings, and how often it looked a node up.

Modelled on ``fs/fuse`` of Linux so far as a server can see it:

* a name (a *dentry*, negative ones too) and attributes live as long as the server's timeout says; the root is
  never forgotten;
* INVAL_ENTRY and DELETE drop a name, and with it everything below; INVAL_INODE drops attributes, and unless
  its offset is negative also pages, link target and listing;
* an answer that was asked for before a notification and taken in after it is used, but not remembered;
* an inode with no name, no open handle and nobody on it is evicted, and its lookups are owed back to the
  server at once; names go only with the cache or with a notification.

Not modelled: writeback caching, the atime mark that a read leaves, the locks that a notification waits for.

Invariants (checked by `Kernel.check`):
  (1) `names` of an inode is the number of dentries that lead to it;
  (2) an inode other than the root is present exactly while it has lookups, or is in use;
  (3) a dentry leads to an inode that is present.

All of it is guarded by the lock of the connection, which is held in every callback of the connection. Nothing
here sends anything.
"""

from __future__ import annotations

import collections
import math
import threading
import time
from collections.abc import Callable

from attrs import Factory, define, evolve

from fusetree.testing.protocol import FUSE_ROOT_ID, NotifyCode
from fusetree.testing.recorder import Notification
from fusetree.testing.values import Attributes, AttrReply, Dirent, Entry

__all__ = ["PAGE", "Dentry", "Inode", "Kernel", "Moment"]

PAGE = 4096


@define(eq=False)
class Dentry:
    """A name that is known: to lead to `node_id`, or with 0 to be absent; until `expires`."""

    node_id: int
    expires: float


@define(eq=False)
class Inode:
    """What is remembered of one node."""

    node_id: int
    lookups: int = 0  # raised by the path level
    raw_lookups: int = 0  # raised by raw requests; only the caller, or drop_caches, gives them back
    users: int = 0  # open handles and calls that are on it
    names: int = 0  # dentries that lead here
    attributes: Attributes | None = None
    expires: float = -math.inf
    version: int = 0  # the kernel's attr_version: when attributes last changed here
    entries_version: int = 0  # when a name in this directory was last taken back
    data_version: int = 0  # when pages, link target and listing were last taken back
    dentries: dict[bytes, Dentry] = Factory(dict)
    pages: dict[int, bytes] = Factory(dict)
    link: bytes | None = None
    listing: list[Dirent] | None = None
    listing_mtime_ns: int = 0


class Moment(int):
    """A point in the order of events: taken before a request is sent, compared when its reply is taken in."""


class Kernel:
    """The books of one pretended kernel.  Callers hold `lock`."""

    def __init__(self, lock: threading.RLock, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        lock: the connection's; held by whoever calls.
        clock: seconds; what timeouts are measured with.
        """
        self.lock = lock
        self.clock = clock
        self._events = 1
        self._inodes: dict[int, Inode] = {FUSE_ROOT_ID: Inode(FUSE_ROOT_ID, users=1)}
        # When INVAL_INODE came for a node that is not known, perhaps because its entry is on its way: Linux
        # answers ENOENT and is
        # told again, which a socket cannot do.  So the entry that comes then is taken for older.
        self._invalidated_unknown: dict[int, int] = {}
        self._owed: collections.Counter[int] = collections.Counter()  # lookups to give back

    # -- order -------------------------------------------------------------------------------------

    def moment(self) -> Moment:
        """Now, in the order of events."""
        return Moment(self._events)

    def _next(self) -> int:
        self._events += 1
        return self._events

    # -- inodes ------------------------------------------------------------------------------------

    def inode(self, node_id: int) -> Inode:
        """The inode *node_id*.

        Raises:
            KeyError: the kernel does not know it.
        """
        return self._inodes[node_id]

    def find(self, node_id: int) -> Inode | None:
        """The inode *node_id*, or None."""
        return self._inodes.get(node_id)

    def hold(self, node_id: int) -> Inode:
        """Keep the inode while a call or a handle is on it; `unhold` when done."""
        inode = self._inodes[node_id]
        inode.users += 1
        return inode

    def unhold(self, node_id: int) -> None:
        """The reverse of `hold`."""
        inode = self._inodes[node_id]
        inode.users -= 1
        self._evict_if_unused(inode)

    def count_raw(self, entry: Entry) -> None:
        """A raw request brought *entry*."""
        if entry.node_id:
            self._made(entry.node_id).raw_lookups += 1

    def forget_raw(self, node_id: int, count: int) -> None:
        """A raw request gave *count* lookups back.

        Raises:
            ValueError: more than raw requests brought.
        """
        inode = self._inodes.get(node_id)
        if inode is None or inode.raw_lookups < count:
            have = 0 if inode is None else inode.raw_lookups
            raise ValueError(f"node {node_id}: {count} lookups given back, {have} were had")
        inode.raw_lookups -= count
        self._vanish_if_unknown(inode)

    @property
    def lookup_counts(self) -> dict[int, int]:
        """How many lookups of each node the server may still count: those remembered and those owed."""
        counts = collections.Counter({n: i.lookups + i.raw_lookups for n, i in self._inodes.items()})
        counts.update(self._owed)
        return {node_id: count for node_id, count in sorted(counts.items()) if count}

    def drop_unused(self) -> None:
        """Forget all names, and all inodes that are not in use; raw lookups too.  The root stays."""
        for inode in list(self._inodes.values()):
            for name in list(inode.dentries):
                self._drop_dentry(inode, name)
        for inode in list(self._inodes.values()):
            if inode.users:
                continue
            self._owed[inode.node_id] += inode.raw_lookups
            inode.raw_lookups = 0
            self._evict_if_unused(inode)

    def take_owed(self) -> list[tuple[int, int]]:
        """The lookups to give back now, as (node id, count); they are off the books afterwards."""
        owed = [(node_id, count) for node_id, count in self._owed.items() if count]
        self._owed.clear()
        return owed

    # -- replies -----------------------------------------------------------------------------------

    def entry_came(self, parent: int, name: bytes, entry: Entry, asked: Moment) -> None:
        """A reply brought the entry of *name*, which was asked for at *asked*."""
        directory = self._inodes[parent]
        fresh = directory.entries_version <= asked
        old = directory.dentries.get(name)
        if entry.node_id == 0:
            self._drop_dentry(directory, name)
            if fresh and entry.entry_timeout > 0:
                directory.dentries[name] = Dentry(0, self.clock() + entry.entry_timeout)
            return
        inode = self._made(entry.node_id)
        inode.lookups += 1
        self.attributes_came(entry.node_id, AttrReply(entry.attributes, entry.attr_timeout), asked)
        if old is not None and old.node_id == entry.node_id:
            old.expires = self.clock() + entry.entry_timeout if fresh else -math.inf
            return
        # An entry that may not be remembered is a dentry all the same: asked again at the next walk, it is
        # what keeps the inode.
        self._drop_dentry(directory, name)
        directory.dentries[name] = Dentry(
            entry.node_id, self.clock() + entry.entry_timeout if fresh else -math.inf
        )
        inode.names += 1

    def attributes_came(self, node_id: int, reply: AttrReply, asked: Moment) -> None:
        """A reply brought attributes, which were asked for at *asked*."""
        inode = self._inodes.get(node_id)
        if inode is None:
            return
        if inode.version > asked:
            inode.expires = -math.inf
            return
        before = inode.attributes
        new = reply.attributes
        if before is not None and (before.st_mtime_ns, before.st_size) != (new.st_mtime_ns, new.st_size):
            inode.pages.clear()  # AUTO_INVAL_DATA
        inode.attributes = new
        inode.expires = self.clock() + reply.timeout
        inode.version = self._next()

    def attributes_changed_here(self, node_id: int, *, pages: bool = False) -> None:
        """The kernel itself did something that changes attributes (a write, a name made): ask again next
        time.
        """
        inode = self._inodes.get(node_id)
        if inode is not None:
            inode.expires = -math.inf
            inode.version = self._next()
            if pages:
                inode.data_version = inode.version
                inode.pages.clear()

    def directory_changed_here(self, node_id: int) -> None:
        """A name was made, removed or moved through this kernel."""
        self.attributes_changed_here(node_id)
        inode = self._inodes.get(node_id)
        if inode is not None:
            inode.data_version = inode.version
            inode.listing = None

    def pages_came(self, node_id: int, offset: int, wanted: int, data: bytes, asked: Moment) -> None:
        """READ of *wanted* bytes at the page boundary *offset* brought *data*: keep them; short data end the
        file.
        """
        inode = self._inodes.get(node_id)
        if inode is None or inode.data_version > asked:
            return
        for start in range(0, len(data), PAGE):
            inode.pages[(offset + start) // PAGE] = data[start : start + PAGE]
        attributes = inode.attributes
        end = offset + len(data)
        if (
            len(data) < wanted
            and attributes is not None
            and end < attributes.st_size
            and inode.version <= asked
        ):
            inode.attributes = evolve(attributes, st_size=end)

    def link_came(self, node_id: int, target: bytes, asked: Moment) -> None:
        """READLINK brought *target*."""
        inode = self._inodes.get(node_id)
        if inode is not None and inode.data_version <= asked:
            inode.link = target

    def listing_came(self, node_id: int, listing: list[Dirent], asked: Moment) -> None:
        """A directory was read from end to end, beginning at *asked*."""
        inode = self._inodes.get(node_id)
        if inode is not None and inode.data_version <= asked and inode.attributes is not None:
            inode.listing = listing
            inode.listing_mtime_ns = inode.attributes.st_mtime_ns

    def name_removed(self, parent: int, name: bytes) -> None:
        """The server said that *name* is not there (any more)."""
        directory = self._inodes.get(parent)
        if directory is not None:
            self._drop_dentry(directory, name)

    def name_moved(self, parent: int, name: bytes, new_parent: int, new_name: bytes, asked: Moment) -> None:
        """RENAME, asked for at *asked*, succeeded: the dentry moves along. What came to invalidate it
        meanwhile would have waited for the lock of the directory.
        """
        source, target = self._inodes[parent], self._inodes[new_parent]
        moved = source.dentries.pop(name, None)
        self._drop_dentry(target, new_name)
        if moved is not None:
            target.dentries[new_name] = moved
            if target.entries_version > asked:
                moved.expires = -math.inf

    def current(self, node_id: int) -> Attributes | None:
        """Attributes that may be used without asking."""
        inode = self._inodes.get(node_id)
        if inode is None or inode.expires <= self.clock():
            return None
        return inode.attributes

    def known(self, parent: int, name: bytes) -> Dentry | None:
        """The name, if it may be used without asking."""
        dentry = self._inodes[parent].dentries.get(name)
        if dentry is None or dentry.expires <= self.clock():
            return None
        return dentry

    # -- notifications -----------------------------------------------------------------------------

    def notified(self, notification: Notification) -> None:
        """Apply what the server told by itself."""
        if notification.code is NotifyCode.INVAL_INODE:
            self._inval_inode(notification)
        elif notification.code in (NotifyCode.INVAL_ENTRY, NotifyCode.DELETE):
            directory = self._inodes.get(notification.parent)
            if directory is not None:
                directory.entries_version = self._next()
                self.directory_changed_here(notification.parent)
                self._drop_dentry(directory, notification.name)
            if notification.code is NotifyCode.DELETE:
                self.attributes_changed_here(notification.node_id)
        elif notification.code is NotifyCode.STORE:
            self._store(notification)

    def _inval_inode(self, notification: Notification) -> None:
        inode = self._inodes.get(notification.node_id)
        if inode is None:
            self._invalidated_unknown[notification.node_id] = self._next()
            return
        inode.expires = -math.inf
        inode.version = self._next()
        if notification.offset < 0:
            return
        inode.data_version = inode.version
        inode.link = None
        inode.listing = None
        first = notification.offset // PAGE
        last = (
            math.inf if notification.length <= 0 else (notification.offset + notification.length - 1) // PAGE
        )
        for page in [p for p in inode.pages if first <= p <= last]:
            del inode.pages[page]

    def _store(self, notification: Notification) -> None:
        inode = self._inodes.get(notification.node_id)
        if inode is None:
            return
        for start in range(0, len(notification.data), PAGE):
            if (notification.offset + start) % PAGE == 0:
                inode.pages[(notification.offset + start) // PAGE] = notification.data[start : start + PAGE]

    def retrieved(self, notification: Notification) -> bytes:
        """What the notification RETRIEVE gets: pages from its offset up to the first that is not there."""
        inode = self._inodes.get(notification.node_id)
        data = b""
        while inode is not None and len(data) < notification.length:
            page, start = divmod(notification.offset + len(data), PAGE)
            found = inode.pages.get(page, b"")[start:]
            data += found[: notification.length - len(data)]
            if start + len(found) < PAGE:
                break
        return data

    # -- life of an inode --------------------------------------------------------------------------

    def _made(self, node_id: int) -> Inode:
        inode = self._inodes.get(node_id)
        if inode is None:
            inode = self._inodes[node_id] = Inode(node_id)
            inode.version = inode.data_version = self._invalidated_unknown.pop(node_id, 0)
        return inode

    def _drop_dentry(self, directory: Inode, name: bytes) -> None:
        dentry = directory.dentries.pop(name, None)
        if dentry is None or dentry.node_id == 0:
            return
        child = self._inodes[dentry.node_id]
        child.names -= 1
        if not child.names:
            # A directory without a name keeps no names below it; files simply have none.
            for below in list(child.dentries):
                self._drop_dentry(child, below)
        self._evict_if_unused(child)

    def _evict_if_unused(self, inode: Inode) -> None:
        if inode.users or inode.names or inode.node_id not in self._inodes:
            return
        for below in list(inode.dentries):
            self._drop_dentry(inode, below)
        self._owed[inode.node_id] += inode.lookups
        inode.lookups = 0
        inode.expires, inode.attributes = -math.inf, None
        inode.pages.clear()
        inode.link = inode.listing = None
        self._vanish_if_unknown(inode)

    def _vanish_if_unknown(self, inode: Inode) -> None:
        if not (inode.users or inode.names or inode.lookups or inode.raw_lookups):
            del self._inodes[inode.node_id]

    def check(self) -> None:
        """Verify the invariants.

        Raises:
            AssertionError: with what is wrong.
        """
        names: collections.Counter[int] = collections.Counter()
        for inode in self._inodes.values():
            for name, dentry in inode.dentries.items():
                if dentry.node_id:
                    names[dentry.node_id] += 1
                    if dentry.node_id not in self._inodes:
                        raise AssertionError(
                            f"{name!r} in {inode.node_id} leads to the unknown {dentry.node_id}"
                        )
        for inode in self._inodes.values():
            if inode.names != names[inode.node_id]:
                raise AssertionError(
                    f"{inode.node_id} counts {inode.names} names, {names[inode.node_id]} lead to it"
                )
            if not (inode.users or inode.lookups or inode.raw_lookups):
                raise AssertionError(f"{inode.node_id} is present without a reason")
