"""A zip archive as a read-only file system, on the low-level API (zip_archive.py does it with nodes).

    python examples/lowlevel_zip.py ARCHIVE.zip MNT

It shows what a file system on `lowlevel.Operations` has to do by itself: give each file an inode number,
answer lookup and getattr with attributes, hand out file handles, and fill directory listings.  The archive
does not change, so every answer may be cached as long as the kernel likes, and lookup counts need not be
kept: inodes are valid until the end.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import sys
import threading
import zipfile
from calendar import timegm
from collections.abc import Sequence

import attrs

from fusetree import lowlevel
from fusetree.lowlevel import ROOT_INODE, EntryAttributes, FileInfo, ReaddirToken, RequestContext

FOREVER = 24 * 3600.0


@attrs.define(eq=False)
class Inode:
    """A file or directory of the archive."""

    number: int
    info: zipfile.ZipInfo | None  # None: a directory that the archive only implies
    children: dict[bytes, Inode] | None  # None: a file


class ZipOperations(lowlevel.Operations):
    """Request handlers over an archive.  They run in several threads at once."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        super().__init__()
        self._archive = archive
        self._numbers = itertools.count(ROOT_INODE)
        self._inodes: dict[int, Inode] = {}
        self._root = self._new(None, {})
        for info in archive.infolist():
            self._add(info)
        self._handles = itertools.count(1)
        self._open: dict[int, bytes] = {}  # guarded by _lock
        self._lock = threading.Lock()

    def _new(self, info: zipfile.ZipInfo | None, children: dict[bytes, Inode] | None) -> Inode:
        inode = Inode(next(self._numbers), info, children)
        self._inodes[inode.number] = inode
        return inode

    def _add(self, info: zipfile.ZipInfo) -> None:
        """Put a member into the tree, with the directories above it."""
        parts = [os.fsencode(part) for part in info.filename.split("/") if part not in ("", ".", "..")]
        directory = self._root
        for number, part in enumerate(parts, start=1):
            if directory.children is None:  # the archive has a file where this member needs a directory
                return
            if part not in directory.children:
                is_file = number == len(parts) and not info.is_dir()
                directory.children[part] = self._new(
                    info if number == len(parts) else None, None if is_file else {}
                )
            directory = directory.children[part]

    def _attributes(self, inode: Inode) -> EntryAttributes:
        entry = EntryAttributes()
        entry.st_ino = inode.number
        entry.entry_timeout = entry.attr_timeout = FOREVER
        entry.st_nlink = 1
        entry.st_uid, entry.st_gid = os.getuid(), os.getgid()
        if inode.children is None:
            assert inode.info is not None
            entry.st_mode = stat.S_IFREG | 0o444
            entry.st_size = inode.info.file_size
        else:
            entry.st_mode = stat.S_IFDIR | 0o555
        if inode.info is not None:
            seconds = timegm((*inode.info.date_time, 0, 0, 0))
            entry.st_atime_ns = entry.st_mtime_ns = entry.st_ctime_ns = seconds * 10**9
        return entry

    def _directory(self, number: int) -> dict[bytes, Inode]:
        children = self._inodes[number].children
        if children is None:
            raise NotADirectoryError
        return children

    # ------------------------------------------------------------------ names and attributes

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        child = self._directory(parent_inode).get(name)
        if child is None:
            # Inode number 0 means "no such name", and lets the kernel remember it.
            missing = EntryAttributes()
            missing.st_ino = 0
            missing.entry_timeout = FOREVER
            return missing
        return self._attributes(child)

    def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        return self._attributes(self._inodes[inode])

    def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """Nothing is let go: the archive's inodes are valid until the end."""

    # ------------------------------------------------------------------ content

    def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        info = self._inodes[inode].info
        assert info is not None
        content = self._archive.read(info)
        with self._lock:
            handle = next(self._handles)
            self._open[handle] = content
        return FileInfo(fh=handle, keep_cache=True)

    def read(self, fh: int, off: int, size: int) -> memoryview:
        return memoryview(self._open[fh])[off : off + size]

    def release(self, fh: int) -> None:
        with self._lock:
            del self._open[fh]

    # ------------------------------------------------------------------ listings

    def opendir(self, inode: int, ctx: RequestContext) -> int:
        return inode

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        listing = itertools.islice(self._directory(fh).items(), start_id, None)
        for next_id, (name, child) in enumerate(listing, start=start_id + 1):
            if not lowlevel.readdir_reply(token, name, self._attributes(child), next_id):
                return


def main() -> None:
    """Mount an archive and serve it until Ctrl-C."""
    archive_path, mountpoint = sys.argv[1:]
    with zipfile.ZipFile(archive_path) as archive:
        operations = ZipOperations(archive)
        options = ["fsname=zip", "ro", "default_permissions", "nosuid", "nodev"]
        with lowlevel.Session(operations, mountpoint, options) as session:
            try:
                session.run(workers=4)
            except KeyboardInterrupt:
                pass


if __name__ == "__main__":
    main()
