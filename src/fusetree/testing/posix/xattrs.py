"""Checks of extended attributes, and of the ACLs that are kept in some."""

from __future__ import annotations

import ctypes
import os
from errno import E2BIG, EACCES, EEXIST, ENODATA, ENOENT, ENOSPC, ENOTDIR, EOPNOTSUPP, EPERM, ERANGE

from fusetree.testing.posix.expect import equal, fails, same_mode, true
from fusetree.testing.posix.place import USER, Place
from fusetree.testing.posix.registry import Group

group = Group("xattr", "xattr(7)", ("user xattrs",))
acls = Group("acl", "acl(5)", ("ACLs",))


def _names(path: str) -> list[str]:
    """The names in the namespace of users: others (security) come by themselves."""
    return sorted(name for name in os.listxattr(path) if name.startswith("user."))


@group.check("setxattr(2), getxattr(2)")
def a_value_is_kept(place: Place) -> None:
    path = place.file()
    for value in (b"abc", b"", b"\0\xff\n", b"x" * 1000):
        os.setxattr(path, "user.a", value)
        equal(os.getxattr(path, "user.a"), value, "value")


@group.check("setxattr(2)")
def of_a_directory(place: Place) -> None:
    path = place.dir()
    os.setxattr(path, "user.a", b"1")
    equal(os.getxattr(path, "user.a"), b"1", "value")


@group.check("fsetxattr(2), fgetxattr(2)")
def by_descriptor(place: Place) -> None:
    path = place.file()
    fd = place.open("f")
    os.setxattr(fd, "user.a", b"1")
    equal(os.getxattr(path, "user.a"), b"1", "value")
    equal(os.getxattr(fd, "user.a"), b"1", "value")
    os.removexattr(fd, "user.a")
    equal(_names(path), [], "names")


@group.check("listxattr(2)")
def names_are_listed(place: Place) -> None:
    path = place.file()
    equal(_names(path), [], "names")
    wanted = sorted(f"user.name-{number}" for number in range(20))
    for name in wanted:
        os.setxattr(path, name, b"1")
    equal(_names(path), wanted, "names")


@group.check("setxattr(2) XATTR_CREATE")
def creation_of_a_new_one(place: Place) -> None:
    path = place.file()
    os.setxattr(path, "user.a", b"1", os.XATTR_CREATE)
    equal(os.getxattr(path, "user.a"), b"1", "value")


@group.check("setxattr(2) XATTR_CREATE EEXIST")
def creation_of_one_that_exists(place: Place) -> None:
    path = place.file()
    os.setxattr(path, "user.a", b"1")
    with fails(EEXIST):
        os.setxattr(path, "user.a", b"2", os.XATTR_CREATE)
    equal(os.getxattr(path, "user.a"), b"1", "value")


@group.check("setxattr(2) XATTR_REPLACE")
def replacement_of_one_that_exists(place: Place) -> None:
    path = place.file()
    os.setxattr(path, "user.a", b"1")
    os.setxattr(path, "user.a", b"22", os.XATTR_REPLACE)
    equal(os.getxattr(path, "user.a"), b"22", "value")


@group.check("setxattr(2) XATTR_REPLACE ENODATA")
def replacement_of_one_that_is_missing(place: Place) -> None:
    path = place.file()
    with fails(ENODATA):
        os.setxattr(path, "user.a", b"1", os.XATTR_REPLACE)
    equal(_names(path), [], "names")


@group.check("getxattr(2) ENODATA")
def one_that_is_missing(place: Place) -> None:
    path = place.file()
    with fails(ENODATA):
        os.getxattr(path, "user.a")
    with fails(ENODATA):
        os.removexattr(path, "user.a")


@group.check("removexattr(2)")
def removed(place: Place) -> None:
    path = place.file()
    os.setxattr(path, "user.a", b"1")
    os.setxattr(path, "user.b", b"2")
    os.removexattr(path, "user.a")
    equal(_names(path), ["user.b"], "names")
    with fails(ENODATA):
        os.getxattr(path, "user.a")


@group.check("setxattr(2): names up to 255 bytes")
def a_long_name(place: Place) -> None:
    path = place.file()
    name = "user." + "x" * 250
    os.setxattr(path, name, b"1")
    equal(_names(path), [name], "names")


@group.check("setxattr(2) ERANGE: names beyond 255 bytes")
def a_name_that_is_too_long(place: Place) -> None:
    with fails(ERANGE):
        os.setxattr(place.file(), "user." + "x" * 251, b"1")


@group.check("xattr(7): values up to 64 KiB; a file system may take less")
def a_large_value(place: Place) -> None:
    path = place.file()
    value = b"x" * 65536
    try:
        os.setxattr(path, "user.a", value)
    except OSError as error:
        true(error.errno in (ENOSPC, E2BIG, ERANGE), "ENOSPC, E2BIG or success", str(error))
    else:
        equal(os.getxattr(path, "user.a") == value, True, "the same value")


@group.check("setxattr(2) E2BIG: values beyond 64 KiB")
def a_value_that_is_too_large(place: Place) -> None:
    with fails(E2BIG):
        os.setxattr(place.file(), "user.a", b"x" * 65537)


@group.check("getxattr(2) ERANGE")
def a_buffer_that_is_too_small(place: Place) -> None:
    path = place.file()
    os.setxattr(path, "user.a", b"12345")
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(3)
    equal(libc.getxattr(os.fsencode(path), b"user.a", buffer, 3), -1, "result")
    equal(ctypes.get_errno(), ERANGE, "errno")
    equal(libc.getxattr(os.fsencode(path), b"user.a", None, 0), 5, "the size when asked with none")


@group.check("xattr(7): inodes have them, not names", needs=["hard links"])
def seen_under_every_name(place: Place) -> None:
    path = place.file()
    os.link(path, place / "l")
    os.setxattr(path, "user.a", b"1")
    equal(os.getxattr(place / "l", "user.a"), b"1", "value")


@group.check("xattr(7)")
def kept_over_rename_and_writing(place: Place) -> None:
    path = place.file()
    os.setxattr(path, "user.a", b"1")
    os.pwrite(place.open("f"), b"abc", 0)
    os.rename(path, place / "g")
    equal(os.getxattr(place / "g", "user.a"), b"1", "value")


@group.check("xattr(7)")
def a_new_file_of_the_same_name_has_none(place: Place) -> None:
    os.setxattr(place.file(), "user.a", b"1")
    os.unlink(place / "f")
    equal(_names(place.file()), [], "names")


@group.check("xattr(7): user attributes are for files and directories only", needs=["symbolic links"])
def of_a_symbolic_link_itself(place: Place) -> None:
    place.symlink("nowhere")
    with fails(EPERM, EOPNOTSUPP):
        os.setxattr(place / "s", "user.a", b"1", follow_symlinks=False)


@group.check("xattr(7)", needs=["symbolic links"])
def through_a_symbolic_link(place: Place) -> None:
    path = place.file()
    place.symlink("f")
    os.setxattr(place / "s", "user.a", b"1")
    equal(os.getxattr(path, "user.a"), b"1", "value")


@group.check("setxattr(2) ENOENT, ENOTDIR")
def of_what_is_not_there(place: Place) -> None:
    place.file()
    with fails(ENOENT):
        os.setxattr(place / "g", "user.a", b"1")
    with fails(ENOTDIR):
        os.setxattr(place / "f/g", "user.a", b"1")


@group.check("xattr(7): the permission bits guard user attributes", needs=["permission checks"])
def by_who_may_read_or_write_the_file(place: Place) -> None:
    path = place.file(mode=0o644)
    os.setxattr(path, "user.a", b"1")
    equal(place.as_user(lambda: os.getxattr(path, "user.a")), b"1", "value")
    with fails(EACCES, EPERM):
        place.as_user(lambda: os.setxattr(path, "user.a", b"2"))
    os.chmod(path, 0o600)
    with fails(EACCES):
        place.as_user(lambda: os.getxattr(path, "user.a"))


@group.check("xattr(7): trusted attributes", needs=["trusted xattrs"])
def a_trusted_one(place: Place) -> None:
    path = place.file()
    os.setxattr(path, "trusted.a", b"1")
    equal(os.getxattr(path, "trusted.a"), b"1", "value")


@group.check("xattr(7)")
def of_an_open_file_that_is_unlinked(place: Place) -> None:
    place.file()
    fd = place.open("f")
    os.unlink(place / "f")
    os.setxattr(fd, "user.a", b"1")
    equal(os.getxattr(fd, "user.a"), b"1", "value")


def _acl(*entries: tuple[int, int, int]) -> bytes:
    """The value of an ACL attribute: version 2, then tag, permissions and id of each entry."""
    packed = [
        tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + ident.to_bytes(4, "little")
        for tag, bits, ident in entries
    ]
    return (2).to_bytes(4, "little") + b"".join(packed)


NOBODY = 0xFFFFFFFF
USER_OBJ, NAMED_USER, GROUP_OBJ, MASK, OTHERS = 1, 2, 4, 0x10, 0x20


@acls.check("acl(5), ACCESS CHECK ALGORITHM", needs=["permission checks"])
def a_named_user_may_read(place: Place) -> None:
    path = place.file(data=b"abc", mode=0o600)
    os.setxattr(
        path,
        "system.posix_acl_access",
        _acl((USER_OBJ, 6, NOBODY), (NAMED_USER, 4, USER), (GROUP_OBJ, 0, NOBODY), (MASK, 4, NOBODY),
             (OTHERS, 0, NOBODY)),
    )  # fmt: skip
    place.as_user(lambda: os.close(os.open(path, os.O_RDONLY)))
    with fails(EACCES):
        place.as_user(lambda: os.open(path, os.O_RDONLY), 54399)
    with fails(EACCES):
        place.as_user(lambda: os.open(path, os.O_WRONLY))


@acls.check("acl(5): the group bits of the mode are the mask")
def the_mask_is_seen_in_the_mode(place: Place) -> None:
    path = place.file(mode=0o600)
    os.setxattr(
        path,
        "system.posix_acl_access",
        _acl((USER_OBJ, 6, NOBODY), (NAMED_USER, 6, USER), (GROUP_OBJ, 0, NOBODY), (MASK, 6, NOBODY),
             (OTHERS, 0, NOBODY)),
    )  # fmt: skip
    same_mode(place.stat("f").st_mode, 0o660)


@acls.check("acl(5), OBJECT CREATION AND DEFAULT ACLs", needs=["permission checks"])
def a_default_acl_is_inherited(place: Place) -> None:
    path = place.dir()
    os.setxattr(
        path,
        "system.posix_acl_default",
        _acl((USER_OBJ, 7, NOBODY), (NAMED_USER, 7, USER), (GROUP_OBJ, 0, NOBODY), (MASK, 7, NOBODY),
             (OTHERS, 0, NOBODY)),
    )  # fmt: skip
    os.chmod(path, 0o755)
    place.file("d/f", mode=0o666)
    true("system.posix_acl_access" in os.listxattr(place / "d/f"), "an ACL on the new file")
