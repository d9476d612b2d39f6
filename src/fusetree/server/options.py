"""What can be asked of a mount, checked before anything happens.

================== =====================================================================================
`KernelOptions`    what follows ``mount -o``: who may do what, and what the mount is called
`SessionOptions`   ... and what a low-level session may ask for besides: sizes, caches, a watchdog
================== =====================================================================================

Both are values: made once, checked while they are made, never changed.  `strings()` is a list of options that
libfuse knows and that contradict each other nowhere.  The options of a mounted tree (`mounting.MountOptions`)
are `KernelOptions` too.

What is wrong with an option is the caller's mistake, so it is a TypeError or ValueError that says what would
be right; `MountError` is kept for what is wrong with the machine.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import attrs

#: Whether something is asked for: `True` insists on it, "auto" takes it where it can be had.
Wish: TypeAlias = "bool | Literal['auto']"

# Options that libfuse makes itself from the descriptor and the caller: given by hand they would break the
# mount.
_RESERVED = {
    "fd": "the library opens the device itself",
    "rootmode": "it is taken from the mountpoint",
    "user_id": "it is the user who mounts",
    "group_id": "it is the group of the user who mounts",
}

# Options of libfuse's high-level API, of libfuse 2 and of other libraries: refused by the low-level API with
# a line that helps nobody.
_FOREIGN = {
    "nonempty": "a directory that is not empty may be mounted on without it",
    "direct_io": "each file decides for itself",
    "kernel_cache": "give kernel_cache=True to mount()",
    "big_writes": "writes are always big",
    "foreground": "call fusetree.run() instead of mount()",
    "entry_timeout": "declared nodes are cached until they change; kernel_cache=False turns that off",
    "attr_timeout": "declared nodes are cached until they change; kernel_cache=False turns that off",
    "negative_timeout": "declared nodes are cached until they change; kernel_cache=False turns that off",
    "splice_read": "the library decides that",
    "splice_write": "the library decides that",
    "splice_move": "the library decides that",
    "no_splice_read": "the library decides that",
    "no_splice_write": "the library decides that",
    "no_splice_move": "the library decides that",
}

# Each of these switches off another.
_OPPOSITES: dict[str, str] = {}
for _one, _other in (
    ("suid", "nosuid"), ("dev", "nodev"), ("ro", "rw"), ("exec", "noexec"), ("sync", "async"),
    ("symfollow", "nosymfollow"), ("allow_other", "allow_root"),
):  # fmt: skip
    _OPPOSITES[_one], _OPPOSITES[_other] = _other, _one

# What libfuse's low-level API and mount(2) know (libfuse, lib/mount.c and fuse_ll_opts of
# lib/fuse_lowlevel.c).
_FLAGS = {
    *_OPPOSITES, "auto_unmount", "blkdev", "debug", "default_permissions", "dirsync", "noatime",
    "nodiratime", "norelatime", "nostrictatime",
}  # fmt: skip
_VALUES = {
    "blksize", "context", "defcontext", "fscontext", "fsname", "max_read", "rootcontext",
    "subtype", "user",
}  # fmt: skip

# Options that are written as strings and are fields of SessionOptions.
_NUMBERS = {
    "max_read": "max_read",
    "max_write": "max_write",
    "max_readahead": "max_readahead",
    "max_background": "max_background",
    "congestion_threshold": "congestion_threshold",
    "time_gran": "time_granularity",
}
_SWITCHES = {
    "writeback_cache": ("writeback_cache", True),
    "atomic_o_trunc": ("atomic_o_trunc", True),
    "async_read": ("async_read", True),
    "io_uring": ("io_uring", True),
    "sync_read": ("async_read", False),
}

#: The smallest read and write that the kernel makes (FUSE_MIN_READ_BUFFER, and a page).
SMALLEST = 4096


def split_options(options: str | Iterable[str]) -> tuple[str, ...]:
    """Split option strings as `mount -o` takes them.

    Arguments:
        options: one string or several; each may hold several options separated by commas.  A comma that
            belongs to a value is written as a backslash and a comma.

    Returns:
        One string for each option, in order, without doubles.

    Raises:
        TypeError: something other than strings was given.
        ValueError: an option is empty or holds a line break or NUL.
    """
    parts: list[str] = []
    given: object = options  # what a program that is not checked may give
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise TypeError(f"options are strings such as ['ro', 'fsname=x'], or SessionOptions, not {given!r}")
    for text in [options] if isinstance(options, str) else options:
        if not isinstance(text, str):
            raise TypeError(f"a mount option is a str such as 'ro' or 'fsname=x', not {text!r}")
        if text.startswith("-"):
            raise ValueError(f"mount option {text!r}: write it without the leading '-o'")
        parts.extend(_split_commas(text))
    for part in parts:
        if not part.strip() or any(character in part for character in "\n\r\0"):
            raise ValueError(f"mount option {part!r} is empty or holds a line break or NUL")
    return tuple(dict.fromkeys(part.strip() for part in parts))


def _split_commas(text: str) -> list[str]:
    parts, current, escaped = [], "", False
    for character in text:
        if character == "," and not escaped:
            parts.append(current)
            current = ""
        else:
            current += character
        escaped = character == "\\" and not escaped
    return [*parts, current]


def _escape(value: str) -> str:
    """A value as libfuse's option parser wants it: commas and backslashes are ordinary only after a
    backslash.
    """
    return value.replace("\\", "\\\\").replace(",", "\\,")


def _check_known(option: str) -> None:
    """Refuse what libfuse would refuse, with better words."""
    key, equals, value = option.partition("=")
    if key in _RESERVED:
        raise ValueError(f"mount option {option!r} cannot be given: {_RESERVED[key]}")
    if key in _FOREIGN:
        raise ValueError(f"mount option {option!r} is not one of ours: {_FOREIGN[key]}")
    if key in _FLAGS and equals:
        raise ValueError(f"mount option {option!r}: {key} takes no value")
    if key in _VALUES and not value:
        raise ValueError(f"mount option {option!r}: {key} needs a value: {key}=...")
    if key in _FLAGS or key in _VALUES:
        return
    if key in _NUMBERS or key in _SWITCHES:
        raise ValueError(f"mount option {option!r} is for a lowlevel.Session, not for a tree")
    near = difflib.get_close_matches(key, [*_FLAGS, *_VALUES, *_NUMBERS, *_SWITCHES], 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"mount option {option!r} is unknown{hint}")


def is_label(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Validator of a name that is shown to people."""
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} is a str, not {value!r}")
    if not value or any(ord(character) < 32 for character in value):
        raise ValueError(
            f"{attribute.name}={value!r}: a name that is not empty and holds no control characters is needed"
        )


def is_flag(instance: object, attribute: attrs.Attribute[bool], value: object) -> None:
    """Validator of what is true or false, and nothing that only counts as it."""
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} is True or False, not {value!r}")


def is_seconds(instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    """Validator of a duration: a finite number of seconds, 0 or more."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} is a number of seconds, not {value!r}")
    if math.isnan(value) or math.isinf(value) or value < 0:
        raise ValueError(f"{attribute.name}={value}: a finite number of seconds, 0 or more, is needed")


def _is_wish(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, bool) and value != "auto":
        raise TypeError(f'{attribute.name} is True, False, "auto" or None, not {value!r}')


def _number(least: int, most: int, unit: str) -> Any:
    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{attribute.name} is a number of {unit}, not {value!r}")
        if not least <= value <= most:
            raise ValueError(f"{attribute.name}={value}: {least} to {most} {unit} can be asked for")

    return check


def _is_granularity(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    _number(1, 1_000_000_000, "nanoseconds")(instance, attribute, value)
    if value is not None and 10 ** (len(str(value)) - 1) != value:
        raise ValueError(f"{attribute.name}={value}: a power of 10 is needed (struct fuse_conn_info)")


@attrs.frozen(kw_only=True)
class KernelOptions:
    """What follows ``mount -o``, checked.

    Attributes:
        ro: mounted read-only; the kernel refuses every write with EROFS.
        allow_other: other users may use the mount.
        default_permissions: the kernel checks mode, owner and group.
        suid: set-user-id bits count.  Only root can ask for it.
        dev: device nodes work.  Only root can ask for it.
        auto_unmount: fusermount3 stays beside the server, and unmounts when that has died.
        max_read: how many bytes a read asks for at most; None: as many as the kernel likes.
        fsname: what is shown as the device in `mount` and `df`.
        subtype: what follows `fuse.` in the file system type.
        extra: further options, each one as after `mount -o`.  They win over the defaults: `suid`, `dev`,
            `rw`, `fsname=...`, `subtype=...`.
    """

    ro: bool = attrs.field(default=False, validator=is_flag)
    allow_other: bool = attrs.field(default=False, validator=is_flag)
    default_permissions: bool = attrs.field(default=False, validator=is_flag)
    suid: bool = attrs.field(default=False, validator=is_flag)
    dev: bool = attrs.field(default=False, validator=is_flag)
    auto_unmount: bool = attrs.field(default=False, validator=is_flag)
    max_read: int | None = attrs.field(default=None, validator=_number(SMALLEST, 2**31 - 1, "bytes"))
    fsname: str | None = attrs.field(default=None, validator=attrs.validators.optional(is_label))
    subtype: str | None = attrs.field(default=None, validator=attrs.validators.optional(is_label))
    extra: tuple[str, ...] = attrs.field(default=(), converter=split_options)

    @extra.validator
    def _check_extra(self, attribute: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
        seen: dict[str, str] = {}
        for option in value:
            _check_known(option)
            opposite = _OPPOSITES.get(option)
            if opposite in value:
                raise ValueError(f"mount options {option!r} and {opposite!r} contradict each other")
            key = option.partition("=")[0]
            if seen.setdefault(key, option) != option:
                raise ValueError(f"mount options {seen[key]!r} and {option!r} contradict each other")
        if self.ro and "rw" in value:
            raise ValueError("mount option 'rw' contradicts ro=True")
        if "allow_root" in value and self.allow_other:
            raise ValueError("mount options 'allow_root' and 'allow_other' contradict each other")
        if self.auto_unmount or "auto_unmount" in value:
            for name in ("suid", "dev"):
                if getattr(self, name) or name in value:
                    raise ValueError(
                        f"{name} and auto_unmount contradict each other: with auto_unmount fusermount3 "
                        "mounts, which allows neither set-user-id bits nor devices"
                    )
        if self.max_read is not None and "max_read" in seen:
            raise ValueError(f"mount option {seen['max_read']!r} contradicts max_read={self.max_read}")

    @property
    def read_only(self) -> bool:
        """Whether the mount is read-only, by keyword or by option string."""
        return self.ro or "ro" in self.extra

    @property
    def shared(self) -> bool:
        """Whether users other than the one who mounts are let in."""
        return self.allow_other or "allow_other" in self.extra or "allow_root" in self.extra

    def strings(self) -> tuple[str, ...]:
        """The options as libfuse takes them, each as after `mount -o`."""
        extra = dict.fromkeys(self.extra)
        keys = {option.partition("=")[0] for option in extra}
        chosen: dict[str, None] = {}
        for wanted, option in (
            (self.fsname is not None and "fsname" not in keys, f"fsname={_escape(self.fsname or '')}"),
            (self.subtype is not None and "subtype" not in keys, f"subtype={_escape(self.subtype or '')}"),
            (self.ro, "ro"),
            (self.allow_other, "allow_other"),
            (self.default_permissions, "default_permissions"),
            (not self.suid and "suid" not in keys, "nosuid"),
            (self.suid and "nosuid" not in keys, "suid"),
            (not self.dev and "dev" not in keys, "nodev"),
            (self.dev and "nodev" not in keys, "dev"),
            (self.auto_unmount, "auto_unmount"),
            (self.max_read is not None, f"max_read={self.max_read}"),
        ):
            if wanted:
                chosen[option] = None
        return tuple({**chosen, **extra})


#: Capabilities that `SessionOptions.capabilities` may name.  The others have a field of their own, or follow
#: from the handlers.
FREE_CAPABILITIES = frozenset(
    {
        "async_direct_io", "auto_inval_data", "direct_io_allow_mmap", "dont_mask", "explicit_inval_data",
        "handle_killpriv", "handle_killpriv_v2", "ioctl_dir",
    }
)  # fmt: skip


def _wishes(value: Mapping[str, Wish]) -> Mapping[str, Wish]:
    return dict(value)


@attrs.frozen(kw_only=True)
class SessionOptions(KernelOptions):
    """Everything that a `lowlevel.Session` can be told of its mount, checked.

    A capability (the fields from `writeback_cache` to `async_read`, and the values of `capabilities`) is True
    to insist on it: where it can not be had, serving fails with an `UnsupportedFeatureError`; "auto" takes it
    where it can be had, and logs where it can not; False refuses it; None leaves the decision to the
    attribute of `Operations`, or to libfuse.  Sizes and numbers are those of libfuse's ``struct
    fuse_conn_info`` (fuse_common.h).

    Attributes:
        writeback_cache: the kernel buffers and merges writes, and decides about sizes and times itself.
            None: `Operations.enable_writeback_cache`.
        posix_acl: the kernel enforces ACLs kept in xattrs; implies `default_permissions`.  None:
            `Operations.enable_acl`.
        atomic_o_trunc: open gets O_TRUNC.  None: `Operations.atomic_o_trunc`.
        cache_symlinks: the kernel caches link targets.  None: `Operations.cache_symlinks`.
        export: lookups of "." and ".." work (NFS).  None: `Operations.supports_dot_lookup`.
        parallel_directory_operations: lookups and listings of one directory may come at the same time.  None:
            "auto".
        async_read: several reads of one open file may come at the same time.
        passthrough: the kernel may read and write files by itself, see `Session.open_backing`; needs libfuse
            3.17 and Linux 6.9, and contradicts `writeback_cache`.
        io_uring: requests come over rings in shared memory, one for each processor, to threads of libfuse,
            which run the handlers, each one after the other; a handler may not use its own mount then.  For
            `Session.start` and `Session.run`; needs libfuse 3.18 that was built with it, and Linux 6.14 where
            root has switched it on (/sys/module/fuse/parameters/enable_uring).  No interrupts are told, and
            `Session.retrieve` does not work.
        capabilities: further ones, by the names of `lowlevel.features()`: "async_direct_io",
            "auto_inval_data", "direct_io_allow_mmap", "dont_mask", "explicit_inval_data", "handle_killpriv",
            "handle_killpriv_v2", "ioctl_dir".
        max_write: how many bytes a write has at most, 4096 or more; never more than libfuse offers (1 MiB).
        max_readahead: how many bytes the kernel reads ahead at most.
        max_background: how many readahead and asynchronous direct requests may be pending.
        congestion_threshold: how many of these make the kernel hold back; at most `max_background`.
        time_granularity: of the file system's times, in nanoseconds, a power of 10; the kernel rounds the
            times that it sets itself (`writeback_cache`).  None: 1.
        request_timeout: how many seconds until the kernel ends the connection because a request was not
            answered; needs libfuse 3.18 and Linux 6.14.  The kernel looks every 15 seconds, so it takes
            longer by as much.
        watchdog: how many seconds a handler may take before it is named in the log, with its stack.  None: no
            watchdog.
    """

    writeback_cache: Wish | None = attrs.field(default=None, validator=_is_wish)
    posix_acl: Wish | None = attrs.field(default=None, validator=_is_wish)
    atomic_o_trunc: Wish | None = attrs.field(default=None, validator=_is_wish)
    cache_symlinks: Wish | None = attrs.field(default=None, validator=_is_wish)
    export: Wish | None = attrs.field(default=None, validator=_is_wish)
    parallel_directory_operations: Wish | None = attrs.field(default=None, validator=_is_wish)
    async_read: Wish | None = attrs.field(default=None, validator=_is_wish)
    passthrough: Wish | None = attrs.field(default=None, validator=_is_wish)
    io_uring: Wish | None = attrs.field(default=None, validator=_is_wish)
    capabilities: Mapping[str, Wish] = attrs.field(factory=dict, converter=_wishes)
    max_write: int | None = attrs.field(default=None, validator=_number(SMALLEST, 2**31 - 1, "bytes"))
    max_readahead: int | None = attrs.field(default=None, validator=_number(1, 2**31 - 1, "bytes"))
    max_background: int | None = attrs.field(default=None, validator=_number(1, 65535, "requests"))
    congestion_threshold: int | None = attrs.field(default=None, validator=_number(1, 65535, "requests"))
    time_granularity: int | None = attrs.field(default=None, validator=_is_granularity)
    request_timeout: int | None = attrs.field(default=None, validator=_number(1, 65535, "seconds"))
    watchdog: float | None = attrs.field(default=None, validator=attrs.validators.optional(is_seconds))

    @passthrough.validator
    def _check_passthrough(self, attribute: attrs.Attribute[Any], value: Wish | None) -> None:
        if value is True and self.writeback_cache is True:
            raise ValueError(
                "passthrough and writeback_cache contradict each other: the kernel passes through only "
                "what it does not buffer itself"
            )

    @capabilities.validator
    def _check_capabilities(self, attribute: attrs.Attribute[Any], value: Mapping[str, Wish]) -> None:
        for name, wish in value.items():
            if name not in FREE_CAPABILITIES:
                fields = {field.name for field in attrs.fields(SessionOptions)}
                hint = (
                    f"give {name}= by itself"
                    if name in fields
                    else ", ".join(sorted(FREE_CAPABILITIES)) + " can be named"
                )
                raise ValueError(f"capability {name!r}: {hint}")
            if not isinstance(wish, bool) and wish != "auto":
                raise TypeError(f'capability {name!r} is True, False or "auto", not {wish!r}')

    def __attrs_post_init__(self) -> None:
        most, threshold = self.max_background, self.congestion_threshold
        if most is not None and threshold is not None and threshold > most:
            raise ValueError(
                f"congestion_threshold={threshold} is above max_background={most}: it would never be reached"
            )
        if self.posix_acl is True and "default_permissions" not in self.strings():
            object.__setattr__(self, "default_permissions", True)
        if self.watchdog == 0:
            raise ValueError("watchdog=0: a time limit above 0 is needed; None switches it off")

    @classmethod
    def of(cls, options: SessionOptions | str | Iterable[str]) -> SessionOptions:
        """The options that *options* are, or that strings say as `mount -o` takes them.

        Strings may also say what `struct fuse_conn_info` holds, in libfuse's words: `max_write=`,
        `max_readahead=`, `max_background=`, `congestion_threshold=`, `time_gran=`, `writeback_cache`,
        `atomic_o_trunc`, `async_read`, `sync_read`.

        Raises:
            TypeError: they are something else.
            ValueError: one is unknown, or two contradict each other.
        """
        if isinstance(options, cls):
            return options
        if isinstance(options, KernelOptions):
            options = options.strings()
        keywords: dict[str, Any] = {}
        rest: list[str] = []
        for option in split_options(options):
            key, equals, value = option.partition("=")
            if key in _NUMBERS and equals:
                if not value.isdecimal():
                    raise ValueError(f"mount option {option!r}: {key} needs a number")
                name, setting = _NUMBERS[key], int(value)
            elif option in _SWITCHES:
                name, setting = _SWITCHES[option]
            else:
                rest.append(option)
                continue
            if keywords.setdefault(name, setting) != setting:
                raise ValueError(f"mount option {option!r} contradicts an earlier one")
        return cls(extra=rest, **keywords)
