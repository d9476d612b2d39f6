"""A complete writable file system in an SQLite database, in memory or in a file.

    python examples/sqlite_fs.py MNT                 in memory; gone when it ends
    python examples/sqlite_fs.py MNT DATABASE        in a file; the next mount finds what was there

It shows what a file system that keeps names and content apart has to get right: hard links, renames, files
that are removed while they are open, link counts, times, set-id bits, sparse content, listings that stay
right while names come and go.

Rule 1: the database is used under ``_lock`` only, in one transaction for each request.
Rule 2: an inode lives while a name or the kernel's lookup count holds it: ``_forgotten`` is the one place
    where inodes die.  Numbers are never used twice, so the generation of every inode can be 0.
Rule 3: the kernel may cache what it likes: every change goes through it.

Locks (fcntl(2), flock(2)) need no handlers: without them the kernel keeps locks among its own processes.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fusetree import lowlevel
from fusetree.lowlevel import (
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    ROOT_INODE,
    EntryAttributes,
    FileInfo,
    ReaddirToken,
    RequestContext,
    SetattrFields,
    StatvfsData,
)

BLOCK = 32768  # bytes of content in a row
NAME_MAX = 255  # bytes
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE = 1, 2, 16  # fallocate(2)
DAY_NS = 24 * 3600 * 10**9

SCHEMA = """
CREATE TABLE IF NOT EXISTS inodes (
    inode      INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice
    mode       INTEGER NOT NULL,
    nlink      INTEGER NOT NULL,
    uid        INTEGER NOT NULL,
    gid        INTEGER NOT NULL,
    rdev       INTEGER NOT NULL DEFAULT 0,
    size       INTEGER NOT NULL DEFAULT 0,
    allocated  INTEGER NOT NULL DEFAULT 0,          -- bytes in its blocks
    atime_ns   INTEGER NOT NULL,
    mtime_ns   INTEGER NOT NULL,
    ctime_ns   INTEGER NOT NULL,
    target     BLOB                                 -- of a symbolic link
);
CREATE TABLE IF NOT EXISTS names (
    cookie     INTEGER PRIMARY KEY AUTOINCREMENT,   -- the position in listings
    parent     INTEGER NOT NULL,
    name       BLOB NOT NULL,
    inode      INTEGER NOT NULL,
    UNIQUE (parent, name)
);
CREATE INDEX IF NOT EXISTS listing ON names (parent, cookie);
CREATE INDEX IF NOT EXISTS parents ON names (inode);
CREATE TABLE IF NOT EXISTS blocks (                 -- missing ones and missing ends are zeros
    inode      INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (inode, number)
);
CREATE TABLE IF NOT EXISTS xattrs (
    inode      INTEGER NOT NULL,
    name       BLOB NOT NULL,
    value      BLOB NOT NULL,
    PRIMARY KEY (inode, name)
) WITHOUT ROWID;
"""

COLUMNS = "inode, mode, nlink, uid, gid, rdev, size, allocated, atime_ns, mtime_ns, ctime_ns"


def failure(number: int) -> OSError:
    """The error that answers a request with an errno."""
    return OSError(number, os.strerror(number))


class SqliteOperations(lowlevel.Operations):
    """Request handlers over a database.  They run in several threads at once.

    :param path: of the database; ":memory:" for one that is gone when it is closed.
    :param capacity: bytes that the database may take; what would be more fails with ENOSPC.
    """

    def __init__(self, path: str = ":memory:", capacity: int = 8 << 30) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)  # guarded by _lock
        self._lookups: Counter[int] = Counter()  # guarded by _lock; the kernel's references by inode
        self._page_size = int(self._one("PRAGMA page_size")[0])
        self._pages = int(self._one(f"PRAGMA max_page_count = {capacity // self._page_size}")[0])
        with self._db:
            self._db.executescript(SCHEMA)
            if self._found("SELECT 1 FROM inodes WHERE inode = ?", ROOT_INODE) is None:
                self._new_inode(stat.S_IFDIR | 0o755, os.getuid(), os.getgid(), nlink=2)
            # What was open without a name when the database was last used.
            for (inode,) in self._db.execute("SELECT inode FROM inodes WHERE nlink = 0").fetchall():
                self._delete(inode)

    def destroy(self) -> None:
        with self._lock:
            self._db.close()

    # ------------------------------------------------------------------ the database

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """The lock, and a transaction: all or nothing."""
        with self._lock:
            try:
                with self._db:
                    yield
            except sqlite3.OperationalError as error:
                if "full" in str(error):
                    raise failure(errno.ENOSPC) from error
                raise

    def _found(self, query: str, *values: object) -> tuple[int, ...] | None:
        row: tuple[int, ...] | None = self._db.execute(query, values).fetchone()
        return row

    def _one(self, query: str, *values: object) -> tuple[int, ...]:
        row = self._found(query, *values)
        if row is None:
            raise failure(errno.ESTALE)
        return row

    def _set(self, inode: int, **columns: int) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE inodes SET {names} WHERE inode = ?", (*columns.values(), inode))

    def _attributes(self, inode: int) -> EntryAttributes:
        return self._filled(self._one(f"SELECT {COLUMNS} FROM inodes WHERE inode = ?", inode))

    def _filled(self, row: Sequence[int]) -> EntryAttributes:
        entry = EntryAttributes()
        entry.st_ino, entry.st_mode, entry.st_nlink, entry.st_uid, entry.st_gid, entry.st_rdev = row[:6]
        entry.st_size, allocated, entry.st_atime_ns, entry.st_mtime_ns, entry.st_ctime_ns = row[6:]
        entry.st_blocks = (allocated + 511) // 512
        entry.st_blksize = BLOCK
        return entry

    def _counted(self, inode: int) -> EntryAttributes:
        """Attributes for an answer that raises the lookup count."""
        self._lookups[inode] += 1
        return self._attributes(inode)

    # ------------------------------------------------------------------ the life of inodes

    def _new_inode(
        self, mode: int, uid: int, gid: int, *, nlink: int = 1, rdev: int = 0, target: bytes | None = None
    ) -> int:
        now = time.time_ns()
        done = self._db.execute(
            "INSERT INTO inodes (mode, nlink, uid, gid, rdev, size, atime_ns, mtime_ns, ctime_ns, target)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (mode, nlink, uid, gid, rdev, len(target or b""), now, now, now, target),
        )
        assert done.lastrowid is not None
        return done.lastrowid

    def _made(
        self,
        parent: int,
        name: bytes,
        mode: int,
        ctx: RequestContext,
        rdev: int = 0,
        target: bytes | None = None,
    ) -> EntryAttributes:
        """A new inode with a name; counted."""
        if len(name) > NAME_MAX:
            raise failure(errno.ENAMETOOLONG)
        parent_mode, parent_gid, parent_nlink = self._one(
            "SELECT mode, gid, nlink FROM inodes WHERE inode = ?", parent
        )
        if parent_nlink == 0:
            raise failure(errno.ENOENT)  # removed, and somebody's working directory
        if self._entry(parent, name) is not None:
            raise failure(errno.EEXIST)
        is_directory = stat.S_ISDIR(mode)
        gid = ctx.gid
        if parent_mode & stat.S_ISGID:
            gid = parent_gid
            mode |= stat.S_ISGID if is_directory else 0
        inode = self._new_inode(mode, ctx.uid, gid, nlink=1 + is_directory, rdev=rdev, target=target)
        self._add_name(parent, name, inode, is_directory)
        return self._counted(inode)

    def _entry(self, parent: int, name: bytes) -> int | None:
        found = self._found("SELECT inode FROM names WHERE parent = ? AND name = ?", parent, name)
        return None if found is None else found[0]

    def _existing(self, parent: int, name: bytes) -> int:
        if len(name) > NAME_MAX:
            raise failure(errno.ENAMETOOLONG)
        inode = self._entry(parent, name)
        if inode is None:
            raise failure(errno.ENOENT)
        return inode

    def _is_directory(self, inode: int) -> bool:
        return stat.S_ISDIR(self._one("SELECT mode FROM inodes WHERE inode = ?", inode)[0])

    def _add_name(self, parent: int, name: bytes, inode: int, is_directory: bool) -> None:
        self._db.execute("INSERT INTO names (parent, name, inode) VALUES (?, ?, ?)", (parent, name, inode))
        self._touch_directory(parent, links=is_directory)

    def _touch_directory(self, inode: int, links: int = 0) -> None:
        """A name came or went, and with a directory one link ("..")."""
        now = time.time_ns()
        self._db.execute(
            "UPDATE inodes SET nlink = nlink + ?, mtime_ns = ?, ctime_ns = ? WHERE inode = ?",
            (links, now, now, inode),
        )

    def _drop_name(self, parent: int, name: bytes, inode: int) -> None:
        """Take away a name; the inode dies if nothing else holds it."""
        is_directory = self._is_directory(inode)
        if is_directory and self._found("SELECT 1 FROM names WHERE parent = ? LIMIT 1", inode):
            raise failure(errno.ENOTEMPTY)
        self._db.execute("DELETE FROM names WHERE parent = ? AND name = ?", (parent, name))
        self._touch_directory(parent, links=-is_directory)
        self._db.execute(
            "UPDATE inodes SET nlink = nlink - ?, ctime_ns = ? WHERE inode = ?",
            (1 + is_directory, time.time_ns(), inode),
        )
        self._forgotten(inode, 0)

    def _forgotten(self, inode: int, count: int) -> None:
        """The kernel lowered its count; an inode that nothing holds any more is deleted."""
        self._lookups[inode] -= count
        if self._lookups[inode] > 0:
            return
        del self._lookups[inode]
        found = self._found("SELECT nlink FROM inodes WHERE inode = ?", inode)
        if found is not None and found[0] == 0:
            self._delete(inode)

    def _delete(self, inode: int) -> None:
        for table in ("blocks", "xattrs", "inodes"):
            self._db.execute(f"DELETE FROM {table} WHERE inode = ?", (inode,))

    def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        with self._transaction():
            for inode, count in inode_list:
                self._forgotten(inode, count)

    # ------------------------------------------------------------------ names

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        with self._lock:
            if name == b".":
                return self._counted(parent_inode)
            if name == b"..":
                return self._counted(self._parent(parent_inode))
            return self._counted(self._existing(parent_inode, name))

    def _parent(self, inode: int) -> int:
        found = self._found("SELECT parent FROM names WHERE inode = ?", inode)
        return ROOT_INODE if found is None else found[0]

    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext
    ) -> EntryAttributes:
        with self._transaction():
            return self._made(parent_inode, name, mode, ctx, rdev=rdev)

    def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: RequestContext) -> EntryAttributes:
        with self._transaction():
            return self._made(parent_inode, name, mode, ctx)

    def symlink(self, parent_inode: int, name: bytes, target: bytes, ctx: RequestContext) -> EntryAttributes:
        with self._transaction():
            return self._made(parent_inode, name, stat.S_IFLNK | 0o777, ctx, target=target)

    def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        with self._transaction():
            entry = self._made(parent_inode, name, stat.S_IFREG | stat.S_IMODE(mode), ctx)
            return FileInfo(fh=entry.st_ino), entry

    def tmpfile(
        self, parent_inode: int, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        """A file without a name; the kernel sees to it that `link` gives one to no other such file."""
        with self._transaction():
            parent_mode, parent_gid = self._one("SELECT mode, gid FROM inodes WHERE inode = ?", parent_inode)
            gid = parent_gid if parent_mode & stat.S_ISGID else ctx.gid
            inode = self._new_inode(stat.S_IFREG | stat.S_IMODE(mode), ctx.uid, gid, nlink=0)
            return FileInfo(fh=inode), self._counted(inode)

    def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: RequestContext
    ) -> EntryAttributes:
        with self._transaction():
            if len(new_name) > NAME_MAX:
                raise failure(errno.ENAMETOOLONG)
            if self._entry(new_parent_inode, new_name) is not None:
                raise failure(errno.EEXIST)
            (nlink,) = self._one("SELECT nlink FROM inodes WHERE inode = ?", inode)  # 0: made by tmpfile
            self._add_name(new_parent_inode, new_name, inode, is_directory=False)
            self._set(inode, nlink=nlink + 1, ctime_ns=time.time_ns())
            return self._counted(inode)

    def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        with self._transaction():
            inode = self._existing(parent_inode, name)
            if self._is_directory(inode):
                raise failure(errno.EISDIR)
            self._drop_name(parent_inode, name, inode)

    def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        with self._transaction():
            inode = self._existing(parent_inode, name)
            if not self._is_directory(inode):
                raise failure(errno.ENOTDIR)
            self._drop_name(parent_inode, name, inode)

    def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: RequestContext,
    ) -> None:
        with self._transaction():
            if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE):
                raise failure(errno.EINVAL)
            if len(name_new) > NAME_MAX:
                raise failure(errno.ENAMETOOLONG)
            moved = self._existing(parent_inode_old, name_old)
            there = self._entry(parent_inode_new, name_new)
            if flags & RENAME_EXCHANGE:
                if there is None:
                    raise failure(errno.ENOENT)
                self._exchange(parent_inode_old, name_old, moved, parent_inode_new, name_new, there)
                return
            is_directory = self._is_directory(moved)
            if there is not None:
                if flags & RENAME_NOREPLACE:
                    raise failure(errno.EEXIST)
                if there == moved:
                    return  # two names of one file: rename(2) does nothing
                if self._is_directory(there) != is_directory:
                    raise failure(errno.ENOTDIR if is_directory else errno.EISDIR)
                self._drop_name(parent_inode_new, name_new, there)
            self._db.execute(
                "UPDATE names SET parent = ?, name = ? WHERE parent = ? AND name = ?",
                (parent_inode_new, name_new, parent_inode_old, name_old),
            )
            self._touch_directory(parent_inode_old, links=-is_directory)
            self._touch_directory(parent_inode_new, links=is_directory)
            self._set(moved, ctime_ns=time.time_ns())

    def _exchange(
        self, parent: int, name: bytes, inode: int, parent2: int, name2: bytes, inode2: int
    ) -> None:
        """The two names change places; a directory's ".." goes with it."""
        point = "UPDATE names SET inode = ? WHERE parent = ? AND name = ?"
        self._db.execute(point, (inode2, parent, name))
        self._db.execute(point, (inode, parent2, name2))
        links = self._is_directory(inode2) - self._is_directory(inode)
        self._touch_directory(parent, links)
        self._touch_directory(parent2, -links)
        for changed in (inode, inode2):
            self._set(changed, ctime_ns=time.time_ns())

    # ------------------------------------------------------------------ attributes

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        with self._lock:
            return self._attributes(inode)

    def setattr(
        self,
        inode: int,
        attr: EntryAttributes,
        fields: SetattrFields,
        fh: int | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        with self._transaction():
            now = time.time_ns()
            mode = self._one("SELECT mode FROM inodes WHERE inode = ?", inode)[0]
            change = {"ctime_ns": now}
            if fields.update_mode:
                change["mode"] = stat.S_IFMT(mode) | stat.S_IMODE(attr.st_mode)
            if fields.update_uid:
                change["uid"] = attr.st_uid
            if fields.update_gid:
                change["gid"] = attr.st_gid
            if fields.update_size:
                self._resize(inode, attr.st_size)
                change["mtime_ns"] = now
            if (fields.update_uid or fields.update_gid or fields.update_size) and "mode" not in change:
                change["mode"] = without_set_id(mode)
            if fields.update_atime:
                change["atime_ns"] = attr.st_atime_ns
            if fields.update_mtime:
                change["mtime_ns"] = attr.st_mtime_ns
            self._set(inode, **change)
            return self._attributes(inode)

    def _accessed(self, inode: int) -> None:
        """The content was read: a new atime, as seldom as with the mount option relatime."""
        atime, mtime, ctime = self._one(
            "SELECT atime_ns, mtime_ns, ctime_ns FROM inodes WHERE inode = ?", inode
        )
        now = time.time_ns()
        if atime <= mtime or atime <= ctime or now - atime > DAY_NS:
            self._set(inode, atime_ns=now)

    def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        with self._transaction():
            self._accessed(inode)
            target: bytes = self._db.execute(
                "SELECT target FROM inodes WHERE inode = ?", (inode,)
            ).fetchone()[0]
            return target

    def statfs(self, ctx: RequestContext) -> StatvfsData:
        with self._lock:
            used = self._one("PRAGMA page_count")[0] - self._one("PRAGMA freelist_count")[0]
            files = self._one("SELECT COUNT(*) FROM inodes")[0]
        data = StatvfsData()
        data.f_bsize = data.f_frsize = self._page_size
        data.f_blocks = self._pages
        data.f_bfree = data.f_bavail = max(self._pages - used, 0)
        data.f_ffree = data.f_favail = data.f_bfree  # an inode takes less than a page
        data.f_files = files + data.f_ffree
        data.f_namemax = NAME_MAX
        return data

    # ------------------------------------------------------------------ content

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        return FileInfo(fh=inode)  # the page cache stays valid

    def read(self, fh: int, off: int, size: int) -> bytearray:
        with self._transaction():
            size = min(size, self._one("SELECT size FROM inodes WHERE inode = ?", fh)[0] - off)
            if size <= 0:
                return bytearray()
            self._accessed(fh)
            content = bytearray(size)
            for number, data in self._db.execute(
                "SELECT number, data FROM blocks WHERE inode = ? AND number BETWEEN ? AND ?",
                (fh, off // BLOCK, (off + size - 1) // BLOCK),
            ):
                start = number * BLOCK - off
                piece = data[max(-start, 0) : size - start]
                content[max(start, 0) : max(start, 0) + len(piece)] = piece
            return content

    def write(self, fh: int, off: int, buf: memoryview) -> int:
        with self._transaction():
            done = 0
            while done < len(buf):
                number, start = divmod(off + done, BLOCK)
                piece = buf[done : done + BLOCK - start]
                self._overlay(fh, number, start, piece)
                done += len(piece)
            self._written(fh, off + done)
            return done

    def _written(self, inode: int, end: int) -> None:
        """The content changed, and reaches to *end* at least."""
        mode, size = self._one("SELECT mode, size FROM inodes WHERE inode = ?", inode)
        now = time.time_ns()
        self._set(inode, mode=without_set_id(mode), size=max(size, end), mtime_ns=now, ctime_ns=now)

    def _block(self, inode: int, number: int) -> bytes:
        found: tuple[bytes] | None = self._db.execute(
            "SELECT data FROM blocks WHERE inode = ? AND number = ?", (inode, number)
        ).fetchone()
        return b"" if found is None else found[0]

    def _overlay(self, inode: int, number: int, start: int, piece: memoryview | bytes) -> None:
        """Put *piece* into a block, *start* bytes from its beginning."""
        old = self._block(inode, number)
        data = b"".join((old[:start].ljust(start, b"\0"), piece, old[start + len(piece) :]))
        self._store(inode, number, data, len(data) - len(old))

    def _store(self, inode: int, number: int, data: bytes, more: int) -> None:
        if data:
            self._db.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", (inode, number, data))
        else:
            self._db.execute("DELETE FROM blocks WHERE inode = ? AND number = ?", (inode, number))
        self._db.execute("UPDATE inodes SET allocated = allocated + ? WHERE inode = ?", (more, inode))

    def _resize(self, inode: int, size: int) -> None:
        """Cut off what is behind *size*, or leave a hole up to it."""
        self._set(inode, size=size)
        self._erase(inode, size, None)

    def _erase(self, inode: int, start: int, end: int | None) -> None:
        """Make zeros from *start* to *end* (None: whatever there is): whole blocks go."""
        (blocks,) = self._one("SELECT COALESCE(MAX(number) + 1, 0) FROM blocks WHERE inode = ?", inode)
        stop = blocks * BLOCK if end is None else min(end, blocks * BLOCK)
        whole = (
            -(-start // BLOCK),
            stop // BLOCK,
        )  # the first that goes as a whole, and the first that does not
        condition = "WHERE inode = ? AND number >= ? AND number < ?"
        (freed,) = self._one(f"SELECT COALESCE(SUM(LENGTH(data)), 0) FROM blocks {condition}", inode, *whole)
        self._db.execute(f"DELETE FROM blocks {condition}", (inode, *whole))
        self._db.execute("UPDATE inodes SET allocated = allocated - ? WHERE inode = ?", (freed, inode))
        for number in {start // BLOCK, stop // BLOCK}:
            left, right = max(start - number * BLOCK, 0), min(stop - number * BLOCK, BLOCK)
            old = self._block(inode, number)
            if left < right and left < len(old):
                new = old[:left] if right >= len(old) else old[:left] + bytes(right - left) + old[right:]
                self._store(inode, number, new, len(new) - len(old))

    def fallocate(
        self, inode: int, fh: int, mode: int, offset: int, length: int, ctx: RequestContext
    ) -> None:
        """Space is not taken beforehand: what is left is the growth of the file, and zeros."""
        end = offset + length
        with self._transaction():
            if mode in {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                        FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE}:  # fmt: skip
                self._erase(inode, offset, end)
            elif mode not in {0, FALLOC_FL_KEEP_SIZE}:
                raise failure(errno.EOPNOTSUPP)
            self._written(inode, 0 if mode & FALLOC_FL_KEEP_SIZE else end)

    def lseek(self, inode: int, fh: int, offset: int, whence: int, ctx: RequestContext) -> int:
        """Data is where blocks are."""
        with self._lock:
            (size,) = self._one("SELECT size FROM inodes WHERE inode = ?", inode)
            if not 0 <= offset < size:
                raise failure(errno.ENXIO)
            number = offset // BLOCK
            if whence == os.SEEK_DATA:
                found = self._found(
                    "SELECT MIN(number) FROM blocks WHERE inode = ? AND number >= ?", inode, number
                )
                if found is None or found[0] is None:
                    raise failure(errno.ENXIO)
                return max(offset, found[0] * BLOCK)
            for (block,) in self._db.execute(
                "SELECT number FROM blocks WHERE inode = ? AND number >= ? ORDER BY number", (inode, number)
            ):
                if block != number:
                    break
                number += 1
            return min(max(offset, number * BLOCK), size)

    # ------------------------------------------------------------------ listings

    def opendir(self, inode: int, ctx: RequestContext) -> int:
        return inode

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        with self._transaction():
            self._accessed(fh)
            for number, (name, inode) in enumerate(((b".", fh), (b"..", self._parent(fh))), start=1):
                if start_id < number and not lowlevel.readdir_reply(
                    token, name, self._attributes(inode), number
                ):
                    return
            columns = ", ".join(f"inodes.{column}" for column in COLUMNS.split(", "))
            for cookie, name, *row in self._db.execute(
                f"SELECT cookie, name, {columns} FROM names JOIN inodes USING (inode)"
                " WHERE parent = ? AND cookie > ? ORDER BY cookie",
                (fh, start_id - 2),
            ):
                if not lowlevel.readdir_reply(token, name, self._filled(row), cookie + 2):
                    return
                self._lookups[row[0]] += 1

    # ------------------------------------------------------------------ extended attributes

    def setxattr(self, inode: int, name: bytes, value: bytes, ctx: RequestContext) -> None:
        if name.startswith(b"system."):
            raise failure(errno.EOPNOTSUPP)  # ACLs: without `enable_acl` nobody would heed them
        with self._transaction():
            (mode,) = self._one("SELECT mode FROM inodes WHERE inode = ?", inode)
            if name.startswith(b"user.") and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise failure(errno.EPERM)
            self._db.execute("INSERT OR REPLACE INTO xattrs VALUES (?, ?, ?)", (inode, name, value))
            self._set(inode, ctime_ns=time.time_ns())

    def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        if name.startswith(b"system."):
            raise failure(errno.EOPNOTSUPP)
        with self._lock:
            found: tuple[bytes] | None = self._db.execute(
                "SELECT value FROM xattrs WHERE inode = ? AND name = ?", (inode, name)
            ).fetchone()
        if found is None:
            raise failure(errno.ENODATA)
        return found[0]

    def listxattr(self, inode: int, ctx: RequestContext) -> list[bytes]:
        with self._lock:
            return [name for (name,) in self._db.execute("SELECT name FROM xattrs WHERE inode = ?", (inode,))]

    def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> None:
        with self._transaction():
            done = self._db.execute("DELETE FROM xattrs WHERE inode = ? AND name = ?", (inode, name))
            if not done.rowcount:
                raise failure(errno.ENODATA)
            self._set(inode, ctime_ns=time.time_ns())


def without_set_id(mode: int) -> int:
    """The mode of a file whose content or owner changed: no set-id bits, unless set-group-ID means something
    else (a directory, or a file that its group may not run).
    """
    if not stat.S_ISREG(mode):
        return mode
    mode &= ~stat.S_ISUID
    return mode & ~stat.S_ISGID if mode & stat.S_IXGRP else mode


def main(kind: type[SqliteOperations] = SqliteOperations) -> None:
    """Mount and serve until Ctrl-C or `fusermount3 -u`."""
    mountpoint, database = (*sys.argv[1:], ":memory:")[:2]
    options = ["fsname=sqlite", "default_permissions"]
    if os.geteuid() == 0:
        options += ["allow_other", "dev", "suid"]
    with lowlevel.Session(kind(database), mountpoint, options) as session:
        try:
            session.run(workers=4)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
