"""How a tree is mounted: the settings that go to libfuse, the kernel and the adapter, checked before anything
happens.

A `MountOptions` is a value: made once, checked while it is made, never changed.  It promises that `strings()`
is a list of options that contradict each other nowhere, and that safe defaults (`default_permissions`,
`nosuid`, `nodev`) are there unless somebody asked otherwise by name.

What is wrong with an option is the caller's mistake, so it is a TypeError or ValueError that says what would
be right; `MountError` is kept for what is wrong with the machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

# Options that libfuse makes itself from the descriptor and the caller: given by hand they would break the
# mount.
_RESERVED = {
    "fd": "the library opens the device itself",
    "rootmode": "it is taken from the mountpoint",
    "user_id": "it is the user who mounts",
    "group_id": "it is the group of the user who mounts",
}

# Options of libfuse's high-level API and of other libraries: refused by the low-level API with a line that
# helps nobody.
_FOREIGN = {
    "nonempty": "a directory that is not empty may be mounted on without it",
    "direct_io": "each file decides for itself",
    "kernel_cache": "give kernel_cache=True to mount()",
    "big_writes": "writes are always big",
    "foreground": "call fusetree.run() instead of mount()",
    "entry_timeout": "declared nodes are cached until they change; kernel_cache=False turns that off",
    "attr_timeout": "declared nodes are cached until they change; kernel_cache=False turns that off",
    "negative_timeout": "declared nodes are cached until they change; kernel_cache=False turns that off",
}

# Each of these switches off a default.
_OPPOSITES = {"suid": "nosuid", "nosuid": "suid", "dev": "nodev", "nodev": "dev", "ro": "rw", "rw": "ro"}


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


def _is_label(instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} is a str, not {value!r}")
    if not value or any(ord(character) < 32 for character in value):
        raise ValueError(
            f"{attribute.name}={value!r}: a name that is not empty and holds no control characters is needed"
        )


def _is_flag(instance: object, attribute: attrs.Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} is True or False, not {value!r}")


def _is_worker_count(instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"workers is an int, not {value!r}")
    if value < 1:
        raise ValueError(f"workers={value}: at least one handler must be able to run")


def _is_wait(instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"coherence_wait is a number of seconds, not {value!r}")
    if math.isnan(value) or math.isinf(value) or value < 0:
        raise ValueError(f"coherence_wait={value}: a finite number of seconds, 0 or more, is needed")


@attrs.frozen(kw_only=True)
class MountOptions:
    """Everything that `mount()` can be told, checked.

    Attributes:
        kernel_cache: let the kernel cache declared nodes until they change.  False: nothing is cached at all.
        workers: how many handlers may run at the same time.
        strict: an exception in a handler that is a bug (not an `OSError`) is raised out of the mount.
        coherence_wait: how many seconds a change may wait until the kernel has been told of it.
        ro: mounted read-only; the kernel refuses every write with EROFS.
        allow_other: other users may use the mount.
        default_permissions: the kernel checks mode, owner and group.
        suid: set-user-id bits count.  Only root can ask for it.
        dev: device nodes work.  Only root can ask for it.
        fsname: what is shown as the device in `mount` and `df`.
        subtype: what follows `fuse.` in the file system type.
        extra: further options, each one as after `mount -o`.  They win over the defaults: `suid`, `dev`,
            `rw`, `fsname=...`, `subtype=...`.
    """

    kernel_cache: bool = attrs.field(default=True, validator=_is_flag)
    workers: int = attrs.field(default=8, validator=_is_worker_count)
    strict: bool = attrs.field(default=False, validator=_is_flag)
    coherence_wait: float = attrs.field(default=0.1, validator=_is_wait)
    ro: bool = attrs.field(default=False, validator=_is_flag)
    allow_other: bool = attrs.field(default=False, validator=_is_flag)
    default_permissions: bool = attrs.field(default=True, validator=_is_flag)
    suid: bool = attrs.field(default=False, validator=_is_flag)
    dev: bool = attrs.field(default=False, validator=_is_flag)
    fsname: str = attrs.field(default="fusetree", validator=_is_label)
    subtype: str = attrs.field(default="fusetree", validator=_is_label)
    extra: tuple[str, ...] = attrs.field(default=(), converter=split_options)

    @extra.validator
    def _check_extra(self, attribute: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
        for option in value:
            key = option.partition("=")[0]
            if key in _RESERVED:
                raise ValueError(f"mount option {option!r} cannot be given: {_RESERVED[key]}")
            if key in _FOREIGN:
                raise ValueError(f"mount option {option!r} is not one of ours: {_FOREIGN[key]}")
            opposite = _OPPOSITES.get(option)
            if opposite in value:
                raise ValueError(f"mount options {option!r} and {opposite!r} contradict each other")
        if self.ro and "rw" in value:
            raise ValueError("mount option 'rw' contradicts ro=True")
        if "allow_root" in value and (self.allow_other or "allow_other" in value):
            raise ValueError("mount options 'allow_root' and 'allow_other' contradict each other")

    @property
    def read_only(self) -> bool:
        """Whether the mount is read-only, by keyword or by option string."""
        return self.ro or "ro" in self.extra

    @property
    def shared(self) -> bool:
        """Whether users other than the one who mounts are let in."""
        return self.allow_other or "allow_other" in self.extra or "allow_root" in self.extra

    def strings(self) -> tuple[str, ...]:
        """The options as `lowlevel.Session` takes them, each as after `mount -o`."""
        extra = dict.fromkeys(self.extra)
        keys = {option.partition("=")[0] for option in extra}
        chosen: dict[str, None] = {}
        for wanted, option in (
            ("fsname" not in keys, f"fsname={_escape(self.fsname)}"),
            ("subtype" not in keys, f"subtype={_escape(self.subtype)}"),
            (self.ro, "ro"),
            (self.allow_other, "allow_other"),
            (self.default_permissions, "default_permissions"),
            (not self.suid and "suid" not in keys, "nosuid"),
            (self.suid and "nosuid" not in keys, "suid"),
            (not self.dev and "dev" not in keys, "nodev"),
            (self.dev and "nodev" not in keys, "dev"),
        ):
            if wanted:
                chosen[option] = None
        return tuple({**chosen, **extra})
