"""A zip archive as a read-only file system.

    python examples/zip_archive.py ARCHIVE.zip MNT

A member is unpacked when it is opened. (`lowlevel_zip.py`: the same on the low-level API.)
"""

import sys
import zipfile
from calendar import timegm
from typing import Any, NamedTuple

import fusetree
from fusetree import FileNode
from fusetree.nodes import Policy


class Unpacked(NamedTuple):
    """A member that is open."""

    data: bytes

    def read(self, size: int, offset: int) -> bytes:
        return self.data[offset : offset + size]


class Member(FileNode):
    """A file of an archive."""

    policy = Policy.PAGE  # its bytes never change, so the kernel may keep them

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        super().__init__(mode=0o444)
        self.archive, self.info = archive, info
        self.set_times(mtime_ns=timegm((*info.date_time, 0, 0, 0)) * 10**9)

    def size(self) -> int:
        return self.info.file_size

    def open(self, flags: int) -> Unpacked:
        return Unpacked(self.archive.read(self.info))


def tree_of(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The members of an archive; no name leads out of it."""
    root: dict[str, Any] = {}
    for info in archive.infolist():
        parts = [part for part in info.filename.split("/") if part not in ("", ".", "..")]
        directory = root
        for part in parts if info.is_dir() else parts[:-1]:
            directory = directory.setdefault(part, {})
        if not info.is_dir():
            directory[parts[-1]] = Member(archive, info)
    return root


if __name__ == "__main__":
    with zipfile.ZipFile(sys.argv[1]) as archive:
        fusetree.run(tree_of(archive), sys.argv[2], ro=True, fsname="zip")
