"""A file system in memory that knows neither llfuse nor pyfuse3: the programs beside wrap it for one of
them each.

It imports nothing of this project, since the originals' environment runs it too.  It keeps its own lookup
counts and a record of which handler was called with arguments of which types.  Its times stand still, so
that what two runs show can be compared, unless it is given a clock.
"""

import errno
import os
import stat
from collections import defaultdict

ROOT = 1
TIMES = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")
DOTS = (b".", b"..")  # listed, and never counted as looked up


class Content:
    """Bytes of a file in blocks; what was never written takes no room and reads as zeros."""

    BLOCK = 65536

    def __init__(self):
        self.size = 0
        self.blocks = {}

    def read(self, off, size):
        end = min(off + size, self.size)
        found = []
        while off < end:
            number, start = divmod(off, self.BLOCK)
            stop = min(self.BLOCK, start + end - off)
            block = self.blocks.get(number)
            found.append(bytes(stop - start) if block is None else bytes(block[start:stop]))
            off += stop - start
        return b"".join(found)

    def write(self, off, buf):
        done = 0
        while done < len(buf):
            number, start = divmod(off + done, self.BLOCK)
            part = buf[done : done + self.BLOCK - start]
            block = self.blocks.setdefault(number, bytearray(self.BLOCK))
            block[start : start + len(part)] = part
            done += len(part)
        self.size = max(self.size, off + len(buf))

    def truncate(self, size):
        number, start = divmod(size, self.BLOCK)
        for beyond in [other for other in self.blocks if other > number or (other == number and not start)]:
            del self.blocks[beyond]
        if number in self.blocks:
            self.blocks[number][start:] = bytes(self.BLOCK - start)
        self.size = size


class Node:
    """An inode."""

    def __init__(self, ino, mode, uid, gid, rdev=0):
        self.ino = ino
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.rdev = rdev
        self.nlink = 2 if stat.S_ISDIR(mode) else 1
        self.parent = self  # of a directory
        self.content = Content()
        self.target = b""
        self.entries = {}
        self.xattrs = {}
        self.cookie = 2  # of the entry made last; "." and ".." have 1 and 2
        self.times = dict.fromkeys(TIMES, 1_000_000_000_123_456_789)

    @property
    def is_directory(self):
        return stat.S_ISDIR(self.mode)


class Memory:
    """The tree; methods raise OSError.  *clock* tells nanoseconds."""

    def __init__(self, clock=None):
        self.clock = clock
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

    def touch(self, node, *names):
        """Set times of *node*, and that it changed."""
        if self.clock:
            now = self.clock()
            for name in (*names, "st_ctime_ns"):
                node.times[name] = now

    def node(self, ino):
        try:
            return self.nodes[ino]
        except KeyError:
            raise OSError(errno.ENOENT, "no such inode") from None

    def child(self, parent, name):
        if len(name) > 255:
            raise OSError(errno.ENAMETOOLONG, "too long")
        if name in DOTS:
            return self.node(parent) if name == b"." else self.node(parent).parent
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
        gid = ctx.gid
        if directory.mode & stat.S_ISGID:
            gid = directory.gid
            mode |= stat.S_ISGID if stat.S_ISDIR(mode) else 0
        node = Node(self.last, mode, ctx.uid, gid, rdev)
        self.touch(node, *TIMES)
        self.nodes[node.ino] = node
        self.put(directory, name, node)
        return self.counted(node)

    def put(self, directory, name, node):
        directory.cookie += 1
        directory.entries[name] = (node.ino, directory.cookie)
        if node.is_directory:
            node.parent = directory
            directory.nlink += 1
        self.touch(directory, "st_mtime_ns")

    def take(self, directory, name):
        """Take an entry out; returns its node."""
        node = self.node(directory.entries.pop(name)[0])
        if node.is_directory:
            directory.nlink -= 1
        self.touch(directory, "st_mtime_ns")
        return node

    def remove(self, parent, name, want_directory):
        directory = self.node(parent)
        node = self.child(parent, name)
        if node.is_directory != want_directory:
            raise OSError(errno.ENOTDIR if want_directory else errno.EISDIR, "the other kind")
        if node.entries:
            raise OSError(errno.ENOTEMPTY, "not empty")
        self.take(directory, name)
        node.nlink = 0 if want_directory else node.nlink - 1
        self.touch(node)
        self.collect(node.ino)

    def link(self, ino, parent, name):
        node = self.node(ino)
        if name in self.node(parent).entries:
            raise OSError(errno.EEXIST, "there already")
        node.nlink += 1
        self.touch(node)
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
            other = self.take(target, new)
            self.take(source, old)
            self.put(source, old, other)
            self.put(target, new, node)
            self.touch(other)
            self.touch(node)
            return
        if there:
            self.remove(new_parent, new, self.node(there[0]).is_directory)
        self.take(source, old)
        self.put(target, new, node)
        self.touch(node)

    def setattr(self, ino, attr, fields):
        node = self.node(ino)
        if fields.update_size:
            node.content.truncate(attr.st_size)
            self.touch(node, "st_mtime_ns")
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
        self.touch(node)
        return node

    def entries(self, ino, after):
        directory = self.node(ino)
        found = [(b".", directory, 1), (b"..", directory.parent, 2)]
        found += [(name, self.node(child), cookie) for name, (child, cookie) in directory.entries.items()]
        return sorted((entry for entry in found if entry[2] > after), key=lambda entry: entry[2])

    def open(self, ino, flags):
        self.node(ino)
        self.open_files[ino] += 1
        self.flags.add("O_TRUNC" if flags & os.O_TRUNC else "plain")
        if flags & os.O_TRUNC:
            self.nodes[ino].content.truncate(0)
            self.touch(self.nodes[ino], "st_mtime_ns")

    def release(self, ino):
        self.open_files[ino] -= 1
        self.collect(ino)

    def read(self, ino, off, size):
        return self.node(ino).content.read(off, size)

    def write(self, ino, off, buf):
        self.node(ino).content.write(off, buf)
        self.touch(self.node(ino), "st_mtime_ns")
        return len(buf)

    def setxattr(self, ino, name, value):
        if name.startswith(b"system."):  # ACLs, which would have to take part in permissions
            raise OSError(errno.EOPNOTSUPP, "no such attributes here")
        self.node(ino).xattrs[name] = value
        self.touch(self.node(ino))

    def getxattr(self, ino, name):
        try:
            return self.node(ino).xattrs[name]
        except KeyError:
            raise OSError(errno.ENODATA, "no such attribute") from None

    def removexattr(self, ino, name):
        if self.node(ino).xattrs.pop(name, None) is None:
            raise OSError(errno.ENODATA, "no such attribute")
        self.touch(self.node(ino))

    def filled(self, attributes, node):
        """*attributes*, an EntryAttributes, with those of *node*."""
        attributes.st_ino = node.ino
        attributes.st_mode = node.mode
        attributes.st_nlink = node.nlink
        attributes.st_uid = node.uid
        attributes.st_gid = node.gid
        attributes.st_rdev = node.rdev
        attributes.st_size = len(node.target) or node.content.size
        attributes.st_blocks = len(node.content.blocks) * node.content.BLOCK // 512
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
