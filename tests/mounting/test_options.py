"""What can be asked of a mount, and what is refused before anything happens."""

from __future__ import annotations

from typing import Any

import pytest

from fusetree.mounting.options import MountOptions, split_options


def test_safe_defaults_are_there_unless_asked_otherwise() -> None:
    assert MountOptions().strings() == (
        "fsname=fusetree",
        "subtype=fusetree",
        "default_permissions",
        "nosuid",
        "nodev",
    )


@pytest.mark.parametrize(
    ("keywords", "gone", "there"),
    [
        ({"default_permissions": False}, "default_permissions", None),
        ({"suid": True}, "nosuid", "suid"),
        ({"dev": True}, "nodev", "dev"),
        ({"extra": "suid"}, "nosuid", "suid"),
        ({"extra": "dev"}, "nodev", "dev"),
        ({"ro": True}, None, "ro"),
        ({"allow_other": True}, None, "allow_other"),
        ({"fsname": "x"}, "fsname=fusetree", "fsname=x"),
        ({"extra": "fsname=x"}, "fsname=fusetree", "fsname=x"),
        ({"extra": "subtype=x"}, "subtype=fusetree", "subtype=x"),
        ({"fsname": "a,b\\c"}, None, "fsname=a\\,b\\\\c"),
        ({"extra": ("noatime", "max_read=4096")}, None, "max_read=4096"),
    ],
)
def test_options_asked_for(keywords: dict[str, Any], gone: str | None, there: str | None) -> None:
    strings = MountOptions(**keywords).strings()
    assert gone not in strings
    assert there is None or there in strings


def test_read_only_and_shared_are_seen_in_option_strings_too() -> None:
    assert MountOptions(extra="ro").read_only
    assert MountOptions(ro=True).read_only
    assert not MountOptions().read_only
    assert MountOptions(extra="allow_other").shared
    assert MountOptions(allow_other=True).shared
    assert not MountOptions().shared


def test_no_option_is_named_twice() -> None:
    strings = MountOptions(
        ro=True, allow_other=True, extra="ro,allow_other,nosuid,default_permissions"
    ).strings()
    assert len(strings) == len(set(strings))


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("", ValueError),
        ("a,,b", ValueError),
        ("a\nb", ValueError),
        ("-o ro", ValueError),
        ((1,), TypeError),
        ("a,b", ("a", "b")),
        (["a,b", "c", "a"], ("a", "b", "c")),
        ("fsname=x\\,y,ro", ("fsname=x\\,y", "ro")),
        ((), ()),
    ],
)
def test_split_options(given: Any, parts: Any) -> None:
    if isinstance(parts, tuple):
        assert split_options(given) == parts
    else:
        with pytest.raises(parts):
            split_options(given)


@pytest.mark.parametrize(
    ("keywords", "error", "said"),
    [
        ({"extra": "fd=3"}, ValueError, "opens the device itself"),
        ({"extra": "nonempty"}, ValueError, "without it"),
        ({"extra": "attr_timeout=3"}, ValueError, "kernel_cache"),
        ({"extra": "suid,nosuid"}, ValueError, "contradict"),
        ({"extra": "rw", "ro": True}, ValueError, "contradicts ro=True"),
        ({"extra": "allow_root", "allow_other": True}, ValueError, "contradict"),
        ({"fsname": ""}, ValueError, "fsname"),
        ({"fsname": "a\nb"}, ValueError, "control"),
        ({"fsname": 1}, TypeError, "fsname"),
        ({"subtype": ""}, ValueError, "subtype"),
        ({"ro": 1}, TypeError, "ro is True or False"),
        ({"workers": 0}, ValueError, "at least one"),
        ({"workers": 1.5}, TypeError, "workers"),
        ({"workers": True}, TypeError, "workers"),
        ({"coherence_wait": -1}, ValueError, "coherence_wait"),
        ({"coherence_wait": float("nan")}, ValueError, "coherence_wait"),
        ({"coherence_wait": "1"}, TypeError, "coherence_wait"),
    ],
)
def test_mistakes_are_refused_with_words(keywords: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        MountOptions(**keywords)
