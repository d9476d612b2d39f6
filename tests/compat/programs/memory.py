"""A file system in memory that knows neither llfuse nor pyfuse3: the programs beside wrap it for one of
them each.

It imports nothing of this project, since the originals' environment runs it too.  It keeps its own lookup
counts and a record of which handler was called with arguments of which types.
"""

import errno
import os
import stat
from collections import defaultdict

ROOT = 1
TIMES = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")


class Node:
    """An inode."""

    def __init__(self, ino, mode, uid, gid, rdev=0):
        self.ino = ino
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.rdev = rdev
        self.nlink = 1
        self.data = bytearray()
        self.target = b""
        self.entries = {}
        self.xattrs = {}
        self.cookie = 0
        self.times = dict.fromkeys(TIMES, 1_000_000_000_123_456_789)

    @property
    def is_directory(self):
        return stat.S_ISDIR(self.mode)


class Memory:
    """The tree; methods raise OSError."""

    def __init__(self):
        self.nodes = {ROOT: Node(ROOT, stat.S_IFDIR | 0o755, os.getuid(), os.getgid())}
        self.last = ROOT
        self.counts = defaultdict(int)
        self.calls = defaultdict(set)
        self.flags = set()
        self.violations = []
        self.open_files = defaultdict(int)

    def record(self, handler, *arguments):
        """Remember the types that *handler* was called with."""
        self.calls[handler].add(" ".join(type(argument).__name__ for argument in arguments))

    def report(self):
        """What was seen, for JSON."""
        return {
            "calls": {name: sorted(types) for name, types in sorted(self.calls.items())},
            "opened": sorted(self.flags),
            "violations": self.violations,
            "open": sum(self.open_files.values()),
        }

    def node(self, ino):
        try:
            return self.nodes[ino]
        except KeyError:
            raise OSError(errno.ENOENT, "no such inode") from None

    def child(self, parent, name):
        if len(name) > 255:
            raise OSError(errno.ENAMETOOLONG, "too long")
        if name == b".":
            return self.node(parent)
        try:
            return self.node(self.node(parent).entries[name][0])
        except KeyError:
            raise OSError(errno.ENOENT, "no such name") from None

    def counted(self, node):
        self.counts[node.ino] += 1
        return node

    def forget(self, pairs):
        for ino, count in pairs:
            self.counts[ino] -= count
            if self.counts[ino] < 0:
                self.violations.append(f"lookup count of {ino} is {self.counts[ino]}")
            self.collect(ino)

    def collect(self, ino):
        node = self.nodes.get(ino)
        if (
            node is not None
            and ino != ROOT
            and not node.nlink
            and not self.counts[ino]
            and not self.open_files[ino]
        ):
            del self.nodes[ino]

    def add(self, parent, name, mode, ctx, rdev=0):
        directory = self.node(parent)
        if name in directory.entries:
            raise OSError(errno.EEXIST, "there already")
        self.last += 1
        node = Node(self.last, mode, ctx.uid, ctx.gid, rdev)
        self.nodes[node.ino] = node
        self.put(directory, name, node)
        return self.counted(node)

    def put(self, directory, name, node):
        directory.cookie += 1
        directory.entries[name] = (node.ino, directory.cookie)

    def remove(self, parent, name, want_directory):
        directory = self.node(parent)
        node = self.child(parent, name)
        if node.is_directory != want_directory:
            raise OSError(errno.ENOTDIR if want_directory else errno.EISDIR, "the other kind")
        if node.entries:
            raise OSError(errno.ENOTEMPTY, "not empty")
        del directory.entries[name]
        node.nlink -= 1
        self.collect(node.ino)

    def link(self, ino, parent, name):
        node = self.node(ino)
        if name in self.node(parent).entries:
            raise OSError(errno.EEXIST, "there already")
        node.nlink += 1
        self.put(self.node(parent), name, node)
        return self.counted(node)

    def rename(self, old_parent, old, new_parent, new, flags=0):
        source, target = self.node(old_parent), self.node(new_parent)
        node = self.child(old_parent, old)
        there = target.entries.get(new)
        if flags & 1 and there:
            raise OSError(errno.EEXIST, "there already")
        if flags & 2:
            if not there:
                raise OSError(errno.ENOENT, "nothing to exchange")
            source.entries[old], target.entries[new] = there, source.entries[old]
            return
        if there:
            self.remove(new_parent, new, self.node(there[0]).is_directory)
        del source.entries[old]
        self.put(target, new, node)

    def setattr(self, ino, attr, fields):
        node = self.node(ino)
        if fields.update_size:
            size = attr.st_size
            node.data[size:] = b"\0" * (size - len(node.data))
        if fields.update_mode:
            node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(attr.st_mode)
        if fields.update_uid:
            node.uid = attr.st_uid
        if fields.update_gid:
            node.gid = attr.st_gid
        if fields.update_atime:
            node.times["st_atime_ns"] = attr.st_atime_ns
        if fields.update_mtime:
            node.times["st_mtime_ns"] = attr.st_mtime_ns
        return node

    def entries(self, ino, after):
        found = [(name, self.node(child), cookie) for name, (child, cookie) in self.node(ino).entries.items()]
        return sorted((entry for entry in found if entry[2] > after), key=lambda entry: entry[2])

    def open(self, ino, flags):
        self.node(ino)
        self.open_files[ino] += 1
        self.flags.add("O_TRUNC" if flags & os.O_TRUNC else "plain")
        if flags & os.O_TRUNC:
            del self.nodes[ino].data[:]

    def release(self, ino):
        self.open_files[ino] -= 1
        self.collect(ino)

    def read(self, ino, off, size):
        return bytes(self.node(ino).data[off : off + size])

    def write(self, ino, off, buf):
        data = self.node(ino).data
        if len(data) < off:
            data.extend(b"\0" * (off - len(data)))
        data[off : off + len(buf)] = buf
        return len(buf)

    def getxattr(self, ino, name):
        try:
            return self.node(ino).xattrs[name]
        except KeyError:
            raise OSError(errno.ENODATA, "no such attribute") from None

    def removexattr(self, ino, name):
        if self.node(ino).xattrs.pop(name, None) is None:
            raise OSError(errno.ENODATA, "no such attribute")

    def filled(self, attributes, node):
        """*attributes*, an EntryAttributes, with those of *node*."""
        attributes.st_ino = node.ino
        attributes.st_mode = node.mode
        attributes.st_nlink = node.nlink
        attributes.st_uid = node.uid
        attributes.st_gid = node.gid
        attributes.st_rdev = node.rdev
        attributes.st_size = len(node.target) if stat.S_ISLNK(node.mode) else len(node.data)
        attributes.st_blocks = (len(node.data) + 511) // 512
        for name, value in node.times.items():
            setattr(attributes, name, value)
        attributes.entry_timeout = attributes.attr_timeout = 0
        return attributes


#: What looking up one of these names does in both programs: mistakes that end the main loop.
BUGS = {
    b"bug-oserror": lambda: os.stat("/nowhere"),
    b"bug-value": lambda: int("no number"),
    b"bug-none": lambda: None,
}
