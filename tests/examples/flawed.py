"""A server of sqlite_fs.py with one flaw: python flawed.py FLAW MNT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples import sqlite_fs
from examples.sqlite_fs import SqliteOperations as Sound
from fusetree.lowlevel import EntryAttributes, ReaddirToken, RequestContext


class NoDirectoryTimes(Sound):
    """A name that comes or goes leaves the times of its directory."""

    def _touch_directory(self, inode: int, links: int = 0) -> None:
        self._db.execute("UPDATE inodes SET nlink = nlink + ? WHERE inode = ?", (links, inode))


class NoExchange(Sound):
    """RENAME_EXCHANGE succeeds and does nothing."""

    def _exchange(self, *arguments: Any) -> None:
        pass


class SkippingPositions(Sound):
    """Each continued listing leaves out a name."""

    def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        super().readdir(fh, start_id + (start_id > 2), token)


class OldContent(Sound):
    """A file that is made shorter and longer again shows what was cut off."""

    def _resize(self, inode: int, size: int) -> None:
        self._set(inode, size=size)


class EarlyDeath(Sound):
    """A file is gone with its last name, even when it is open."""

    def _forgotten(self, inode: int, count: int) -> None:
        found = self._found("SELECT nlink FROM inodes WHERE inode = ?", inode)
        if found is not None and found[0] == 0:
            self._delete(inode)


class StuckAttributes(Sound):
    """An xattr that is removed stays."""

    def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> None:
        pass


class NoCase(Sound):
    """Names are the same in capitals and small letters."""

    def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        return super().lookup(parent_inode, name.lower(), ctx)


class OneLinkTooMany(Sound):
    """Link counts are one too high."""

    def _attributes(self, inode: int) -> EntryAttributes:
        entry = super()._attributes(inode)
        entry.st_nlink += 1
        return entry


#: Each flaw, and a check that must find it.
FLAWS: dict[type[Sound], str] = {
    NoDirectoryTimes: "times/mkdir-sets-times-of-the-directory",
    NoExchange: "rename/exchange-of-files",
    SkippingPositions: "readdir/every-name-once",
    OldContent: "truncate/what-was-cut-off-does-not-come-back",
    EarlyDeath: "unlink/an-open-file-stays-readable-and-writable",
    StuckAttributes: "xattr/removed",
    NoCase: "paths/names-that-differ-in-case",
    OneLinkTooMany: "open/a-new-file-has-one-link",
}

if __name__ == "__main__":
    sqlite_fs.main({kind.__name__: kind for kind in FLAWS}[sys.argv.pop(1)])
