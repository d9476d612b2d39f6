"""A folder of the host passed through; it knows neither llfuse nor pyfuse3: the programs beside wrap it for
one of them each.

Each inode that the kernel knows is held by a descriptor (O_PATH), so that it is found whatever becomes of its
names.  All must lie on one file system: inodes have the numbers that they have there.
"""

import ctypes
import errno
import os
import stat

ROOT = 1
DOTS = (b".", b"..")
COPIED = (
    "st_mode", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size", "st_blksize", "st_blocks", "st_atime_ns",
    "st_mtime_ns", "st_ctime_ns",
)  # fmt: skip
libc = ctypes.CDLL(None, use_errno=True)


class Inode:
    """An inode that the kernel knows."""

    def __init__(self, number, fd):
        self.number = number
        self.fd = fd
        self.count = 0

    @property
    def path(self):
        """A path that leads to the inode itself."""
        return f"/proc/self/fd/{self.fd}"


class Passthrough:
    """The folder *source*; methods raise OSError."""

    def __init__(self, source):
        os.umask(0)  # the mode that a handler is told has the caller's taken off already
        self.inodes = {ROOT: Inode(ROOT, os.open(source, os.O_PATH | os.O_DIRECTORY))}
        self.root = os.fstat(self.inodes[ROOT].fd)
        self.directories = {}  # of open directories: the inode
        self.listings = {}  # and the names

    def close(self):
        for inode in self.inodes.values():
            os.close(inode.fd)
        self.inodes.clear()

    def fd(self, number):
        try:
            return self.inodes[number].fd
        except KeyError:
            raise OSError(errno.ENOENT, "no such inode") from None

    def path(self, number):
        self.fd(number)
        return self.inodes[number].path

    def status(self, number):
        """What stat(2) tells of an inode."""
        return os.fstat(self.fd(number))

    def lookup(self, parent, name):
        """The number of an entry, whose count rises."""
        if name == b".." and parent == ROOT:
            name = b"."
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=self.fd(parent))
        status = os.fstat(fd)
        if status.st_dev != self.root.st_dev:
            os.close(fd)
            raise OSError(errno.EXDEV, "another file system")
        number = ROOT if status.st_ino == self.root.st_ino else status.st_ino
        if number in self.inodes:
            os.close(fd)
        else:
            self.inodes[number] = Inode(number, fd)
        if name not in DOTS:
            self.inodes[number].count += 1
        return number

    def forget(self, pairs):
        for number, count in pairs:
            inode = self.inodes[number]
            inode.count -= count
            if inode.count <= 0 and number != ROOT:
                os.close(inode.fd)
                del self.inodes[number]

    def filled(self, attributes, number):
        """*attributes*, an EntryAttributes, with those of an inode."""
        status = self.status(number)
        for name in COPIED:
            setattr(attributes, name, getattr(status, name))
        attributes.st_ino = number
        attributes.entry_timeout = attributes.attr_timeout = 1
        return attributes

    def setattr(self, number, attr, fields, fh):
        path = self.path(number)
        if fields.update_mode:
            os.chmod(path, stat.S_IMODE(attr.st_mode))
        if fields.update_uid or fields.update_gid:
            os.chown(path, attr.st_uid if fields.update_uid else -1, attr.st_gid if fields.update_gid else -1)
        if fields.update_size:
            os.truncate(path if fh is None else fh, attr.st_size)
        if fields.update_atime or fields.update_mtime:
            now = self.status(number)
            atime = attr.st_atime_ns if fields.update_atime else now.st_atime_ns
            mtime = attr.st_mtime_ns if fields.update_mtime else now.st_mtime_ns
            os.utime(path, ns=(atime, mtime))

    def made(self, parent, name, ctx):
        """Hand a new entry to its owner; its number, whose count rises."""
        if os.geteuid() == 0:
            directory = self.status(parent)
            gid = -1 if directory.st_mode & stat.S_ISGID else ctx.gid
            mode = stat.S_IMODE(os.lstat(name, dir_fd=self.fd(parent)).st_mode)
            os.chown(name, ctx.uid, gid, dir_fd=self.fd(parent), follow_symlinks=False)
            if mode & (stat.S_ISUID | stat.S_ISGID):  # chown(2) takes them off
                os.chmod(name, mode, dir_fd=self.fd(parent))
        return self.lookup(parent, name)

    def mknod(self, parent, name, mode, rdev, ctx):
        os.mknod(name, mode, rdev, dir_fd=self.fd(parent))
        return self.made(parent, name, ctx)

    def mkdir(self, parent, name, mode, ctx):
        os.mkdir(name, mode & 0o7777, dir_fd=self.fd(parent))
        return self.made(parent, name, ctx)

    def symlink(self, parent, name, target, ctx):
        os.symlink(target, name, dir_fd=self.fd(parent))
        return self.made(parent, name, ctx)

    def create(self, parent, name, mode, flags, ctx):
        """The descriptor of a new file and its number, whose count rises."""
        flags &= ~os.O_DIRECT  # as in open
        fd = os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW, mode & 0o7777, dir_fd=self.fd(parent))
        try:
            return fd, self.made(parent, name, ctx)
        except BaseException:
            os.close(fd)
            raise

    def link(self, number, parent, name):
        os.link(self.path(number), name, dst_dir_fd=self.fd(parent), follow_symlinks=True)
        return self.lookup(parent, name)

    def readlink(self, number):
        return os.readlink(b"", dir_fd=self.fd(number))

    def unlink(self, parent, name):
        os.unlink(name, dir_fd=self.fd(parent))

    def rmdir(self, parent, name):
        os.rmdir(name, dir_fd=self.fd(parent))

    def rename(self, old_parent, old, new_parent, new, flags=0):
        if libc.renameat2(self.fd(old_parent), old, self.fd(new_parent), new, flags) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def open(self, number, flags):
        # Not O_DIRECT, for which buffers would have to be aligned.
        return os.open(self.path(number), flags & ~(os.O_NOFOLLOW | os.O_DIRECT))

    def opendir(self, number):
        fd = os.open(self.path(number), os.O_RDONLY | os.O_DIRECTORY)
        self.directories[fd] = number
        self.listings[fd] = []
        return fd

    def entries(self, fd, after):
        """Names behind position *after*, each with its own.

        They are those of when the listing began, so that a position stays what it is.
        """
        names = self.listings[fd]
        if after == 0:
            names[:] = [*DOTS, *map(os.fsencode, os.listdir(fd))]
        for position in range(after, len(names)):
            yield names[position], position + 1

    def releasedir(self, fd):
        del self.listings[fd], self.directories[fd]
        os.close(fd)

    def getxattr(self, number, name):
        return os.getxattr(self.path(number), name)

    def setxattr(self, number, name, value):
        if name.startswith(b"system."):  # ACLs, which would have to take part in permissions
            raise OSError(errno.EOPNOTSUPP, "no such attributes here")
        os.setxattr(self.path(number), name, value)

    def listxattr(self, number):
        return [os.fsencode(name) for name in os.listxattr(self.path(number))]

    def removexattr(self, number, name):
        os.removexattr(self.path(number), name)
