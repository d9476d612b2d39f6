"""What a client sees of a mount: ``client.py MOUNTPOINT`` runs every scenario and prints what each
observed, as JSON.

A scenario is a function of a folder of its own; it yields observations, and an OSError ends it as an
observation.
"""

import ctypes
import errno
import json
import os
import stat
import sys
import traceback

SCENARIOS = []
libc = ctypes.CDLL(None, use_errno=True)


def scenario(function):
    SCENARIOS.append(function)
    return function


def error_of(function, *arguments, **named):
    """The name of the errno that *function* fails with, or what it returns."""
    try:
        return repr(function(*arguments, **named))
    except OSError as error:
        return errno.errorcode[error.errno]


def put(path, content):
    with open(path, "wb") as file:
        file.write(content)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def look(path):
    status = os.lstat(path)
    return [
        oct(status.st_mode), status.st_nlink, status.st_uid, status.st_gid, status.st_size, status.st_rdev,
        status.st_mtime_ns, status.st_blocks, status.st_blksize,
    ]  # fmt: skip


def renameat2(old, new, flags):
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) < 0:
        return errno.errorcode[ctypes.get_errno()]
    return "done"


@scenario
def content(d):
    put(d + "/f", b"hello")
    yield get(d + "/f").decode(), look(d + "/f")
    with open(d + "/f", "ab") as file:
        file.write(b" world")
    yield get(d + "/f").decode()
    put(d + "/f", b"short")
    yield get(d + "/f").decode()
    with open(d + "/f", "r+b") as file:
        file.seek(10)
        file.write(b"end")
        file.flush()
        os.fsync(file.fileno())
        os.fdatasync(file.fileno())
        file.truncate(12)
    yield repr(get(d + "/f"))
    os.truncate(d + "/f", 3)
    yield repr(get(d + "/f")), look(d + "/f")[4]


@scenario
def large(d):
    data = os.urandom(16) * 100_000
    put(d + "/f", data)
    yield get(d + "/f") == data
    with open(d + "/f", "rb", buffering=0) as file:
        yield (
            os.pread(file.fileno(), 100, 1_599_990) == data[1_599_990:],
            os.pread(file.fileno(), 1, 1_600_000),
        )


@scenario
def opening(d):
    yield error_of(os.open, d + "/none", os.O_RDONLY)
    yield error_of(os.close, os.open(d + "/f", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o604))
    yield error_of(os.open, d + "/f", os.O_CREAT | os.O_EXCL | os.O_RDWR), look(d + "/f")
    yield error_of(os.open, d + "/f", os.O_DIRECTORY), error_of(os.open, d, os.O_WRONLY)
    fd = os.open(d + "/f", os.O_RDWR | os.O_TRUNC)
    os.write(fd, b"abc")
    other = os.dup(fd)
    os.close(fd)
    os.unlink(d + "/f")
    yield os.pread(other, 10, 0).decode(), os.fstat(other).st_nlink, error_of(os.stat, d + "/f")
    os.ftruncate(other, 1)
    os.fchmod(other, 0o600)
    yield oct(os.fstat(other).st_mode), os.fstat(other).st_size
    os.close(other)


@scenario
def names(d):
    os.mkdir(d + "/a", 0o750)
    yield look(d + "/a"), error_of(os.mkdir, d + "/a"), error_of(os.rmdir, d + "/none")
    odd = os.fsencode(d) + b"/\xff\xfe odd\n"
    put(odd, b"x")
    yield [repr(os.fsencode(name)) for name in sorted(os.listdir(d))]
    yield error_of(os.rmdir, odd), error_of(os.unlink, d + "/a"), error_of(os.rmdir, d)
    yield error_of(os.mkdir, d + "/" + "n" * 255), error_of(os.mkdir, d + "/" + "n" * 256)
    yield error_of(os.stat, d + "/negative"), error_of(os.stat, d + "/none/more")


@scenario
def renaming(d):
    put(d + "/1", b"one")
    put(d + "/2", b"two")
    os.rename(d + "/1", d + "/2")
    yield sorted(os.listdir(d)), get(d + "/2").decode(), error_of(os.rename, d + "/1", d + "/3")
    put(d + "/1", b"new")
    os.mkdir(d + "/sub")
    yield error_of(os.rename, d + "/1", d + "/sub"), error_of(os.rename, d + "/sub", d + "/1")
    os.rename(d + "/1", d + "/sub/moved")
    yield get(d + "/sub/moved").decode(), error_of(os.rename, d + "/sub", d + "/sub/x")
    put(d + "/1", b"1")
    yield renameat2(d + "/1", d + "/2", 1), renameat2(d + "/1", d + "/4", 1), renameat2(d + "/2", d + "/4", 2)
    yield sorted(os.listdir(d)), renameat2(d + "/2", d + "/none", 2)


@scenario
def links(d):
    put(d + "/f", b"x")
    os.link(d + "/f", d + "/g")
    yield look(d + "/f")[1], os.path.samefile(d + "/f", d + "/g"), error_of(os.link, d + "/f", d + "/g")
    os.unlink(d + "/f")
    yield look(d + "/g")[1], get(d + "/g").decode()
    os.symlink("some/where", d + "/s")
    yield os.readlink(d + "/s"), look(d + "/s"), error_of(os.stat, d + "/s"), error_of(os.readlink, d + "/g")
    yield error_of(os.symlink, "x" * 4000, d + "/long"), error_of(os.symlink, "x", d + "/s")


@scenario
def special(d):
    os.mkfifo(d + "/fifo", 0o640)
    yield look(d + "/fifo")
    if os.geteuid() == 0:
        os.mknod(d + "/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        yield look(d + "/null")


@scenario
def attributes(d):
    put(d + "/f", b"x")
    os.chmod(d + "/f", 0o4711)
    yield look(d + "/f")
    if os.geteuid() == 0:
        os.chown(d + "/f", 12, 34)
        yield look(d + "/f")
        os.chown(d + "/f", -1, 56)
        yield look(d + "/f")
    for ns in (0, 1, 1_234_567_890_987_654_321, 4_000_000_000_000_000_001):
        os.utime(d + "/f", ns=(ns, ns + 1))
        status = os.stat(d + "/f")
        yield status.st_atime_ns, status.st_mtime_ns
    before = os.stat(d + "/f").st_mtime_ns
    os.utime(d + "/f")
    yield os.stat(d + "/f").st_mtime_ns != before


@scenario
def listings(d):
    for number in range(300):
        os.mkdir(f"{d}/{'entry' * 10}{number}")
    yield sorted(os.listdir(d)) == sorted(f"{'entry' * 10}{number}" for number in range(300))
    with os.scandir(d) as entries:
        yield sorted({(entry.is_dir(), entry.is_file(), entry.inode() > 1) for entry in entries})
    fd = os.open(d, os.O_RDONLY)
    yield len(os.listdir(fd)), error_of(os.fsync, fd)
    os.close(fd)
    for number in range(300):
        os.rmdir(f"{d}/{'entry' * 10}{number}")
    yield os.listdir(d)


@scenario
def xattrs(d):
    put(d + "/f", b"x")
    f = d + "/f"
    yield error_of(os.getxattr, f, "user.a"), os.listxattr(f)
    os.setxattr(f, "user.a", b"value")
    os.setxattr(f, "user.b", b"")
    yield os.getxattr(f, "user.a").decode(), repr(os.getxattr(f, "user.b")), sorted(os.listxattr(f))
    yield error_of(os.setxattr, f, "user.a", b"x", os.XATTR_CREATE)
    yield error_of(os.setxattr, f, "user.c", b"x", os.XATTR_REPLACE)
    yield error_of(os.setxattr, f, "user.a", b"y", os.XATTR_REPLACE), os.getxattr(f, "user.a").decode()
    yield error_of(os.setxattr, f, "user.c", b"new", os.XATTR_CREATE), os.getxattr(f, "user.c").decode()
    os.removexattr(f, "user.a")
    yield error_of(os.removexattr, f, "user.a"), sorted(os.listxattr(f))
    room = ctypes.create_string_buffer(2)
    yield libc.getxattr(os.fsencode(f), b"user.c", room, 2), errno.errorcode[ctypes.get_errno()]
    yield libc.getxattr(os.fsencode(f), b"user.c", None, 0)


@scenario
def space(d):
    status = os.statvfs(d)
    yield [getattr(status, name) for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail")]
    yield [getattr(status, name) for name in ("f_files", "f_ffree", "f_favail", "f_namemax")]


@scenario
def access(d):
    yield [os.access(d, mode) for mode in (os.F_OK, os.R_OK, os.W_OK, os.X_OK)]


@scenario
def unknown(d):
    put(d + "/f", b"x" * 10)
    with open(d + "/f", "r+b") as file:
        yield error_of(os.posix_fallocate, file.fileno(), 0, 100)
        yield error_of(os.lseek, file.fileno(), 0, os.SEEK_HOLE)
        yield error_of(os.lockf, file.fileno(), os.F_TLOCK, 5)


def observe(function, folder):
    seen = []
    try:
        os.mkdir(folder)
        for observation in function(folder):
            seen.append(observation)
    except OSError as error:
        seen.append(errno.errorcode[error.errno])
    except Exception:
        seen.append(traceback.format_exc())
    return seen


def main():
    mountpoint = sys.argv[1]
    wanted = sys.argv[2:]
    result = {}
    for function in SCENARIOS:
        if not wanted or function.__name__ in wanted:
            result[function.__name__] = observe(function, f"{mountpoint}/{function.__name__}")
    json.dump(result, sys.stdout, indent=1, default=repr)


if __name__ == "__main__":
    main()
