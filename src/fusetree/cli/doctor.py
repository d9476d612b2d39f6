"""`fusetree doctor`: what can go wrong on this machine, and the command that mends it.

Each check is a function that gives findings. It changes nothing, and touches no mounted file system but with
a time limit. A `PROBLEM` keeps this user from mounting, or hangs somebody; a `NOTE` is of use to know.
"""

from __future__ import annotations

import argparse
import enum
import os
import platform
import stat
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Final

import attrs

from fusetree.cli.saying import DONE, FAILED, show

if TYPE_CHECKING:
    from fusetree.cli import Commands

__all__ = ["CHECKS", "Finding", "Level", "add_doctor", "examine"]

DEVICE: Final = "/dev/fuse"
FUSE_CONF: Final = "/etc/fuse.conf"
CONNECTIONS: Final = "/sys/fs/fuse/connections"
FILE_SYSTEMS: Final = "/proc/filesystems"


class Level(enum.Enum):
    """How much a finding matters."""

    GOOD = "ok"
    NOTE = "note"
    PROBLEM = "PROBLEM"


@attrs.frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        level: How much it matters.
        subject: What was looked at, in a word or two.
        text: How it is.
        advice: What to do about it, a command where there is one; "" when there is nothing to do.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""


def versions() -> Iterator[Finding]:
    """Kernel, Python, libfuse; whether the core can be loaded."""
    yield Finding(Level.GOOD, "kernel", f"{platform.system()} {platform.release()}")
    python = f"{platform.python_version()} ({platform.python_implementation()})"
    yield Finding(Level.GOOD, "fusetree", f"{metadata.version('fusetree')} on Python {python}")
    try:
        from fusetree import lowlevel
    except ImportError as error:
        yield Finding(
            Level.PROBLEM,
            "libfuse",
            f"the core cannot be loaded: {error}",
            "install libfuse3 (Debian: apt-get install libfuse3-3), and fusetree again if it is there",
        )
        return
    built = ".".join(map(str, lowlevel.compiled_version()))
    yield Finding(
        Level.GOOD, "libfuse", f"{lowlevel.package_version()} is running, {built} was built against"
    )


def device() -> Iterator[Finding]:
    """`/dev/fuse`: there, and can be opened."""
    try:
        with open(FILE_SYSTEMS, encoding="ascii") as file:
            known = any(line.split()[-1] == "fuse" for line in file if line.strip())
    except OSError:
        known = True  # no /proc to ask: the device tells
    if not known:
        yield Finding(Level.PROBLEM, "kernel module", "this kernel knows no FUSE", "as root: modprobe fuse")
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        yield Finding(
            Level.PROBLEM,
            DEVICE,
            "is missing",
            "as root: modprobe fuse. In a container: --device /dev/fuse --cap-add SYS_ADMIN",
        )
    except PermissionError as error:
        # What is open by its mode and refused all the same is refused by a container's device rules.
        advice = "as root: chmod 666 /dev/fuse. In a container: --device /dev/fuse"
        yield Finding(Level.PROBLEM, DEVICE, f"is closed to this user: {error.strerror}", advice)
    except OSError as error:
        yield Finding(Level.PROBLEM, DEVICE, f"cannot be opened: {error.strerror}", "as root: modprobe fuse")
    else:
        yield Finding(Level.GOOD, DEVICE, "can be opened")


def helper() -> Iterator[Finding]:
    """`fusermount3`, which mounts for users who are not root."""
    from fusetree.mounting import mountpoint

    root = os.geteuid() == 0
    path = mountpoint.helper()
    if path is None:
        yield Finding(
            Level.NOTE if root else Level.PROBLEM,
            "fusermount3",
            "is missing; only root can mount",
            "install fuse3 (Debian: apt-get install fuse3)",
        )
        return
    status = os.stat(path)
    if not (status.st_mode & stat.S_ISUID and status.st_uid == 0):
        yield Finding(
            Level.NOTE if root else Level.PROBLEM,
            "fusermount3",
            f"{path} is not set-user-id root; only root can mount",
            f"as root: chown root {path} && chmod u+s {path}",
        )
    else:
        yield Finding(Level.GOOD, "fusermount3", f"{path}, set-user-id root")


def sharing() -> Iterator[Finding]:
    """Whether users may let others in."""
    from fusetree.mounting import mountpoint

    if mountpoint.user_allow_other(FUSE_CONF):
        yield Finding(Level.GOOD, "allow_other", f"for everybody, by user_allow_other in {FUSE_CONF}")
        return
    who = "only root may let other users into a mount"
    yield Finding(
        Level.NOTE, "allow_other", who, f"if others need it, as root: echo user_allow_other >> {FUSE_CONF}"
    )


def containment() -> Iterator[Finding]:
    """Whether root here is root enough to mount."""
    if os.geteuid() != 0:
        return
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            effective = next(line.split()[1] for line in file if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return
    if not int(effective, 16) & 1 << 21:  # CAP_SYS_ADMIN, linux/capability.h
        yield Finding(
            Level.PROBLEM,
            "capabilities",
            "this process is root without CAP_SYS_ADMIN, which mounting takes",
            "start the container with --cap-add SYS_ADMIN (and --security-opt apparmor=unconfined)",
        )


def stale_mounts() -> Iterator[Finding]:
    """Mounts whose server is dead, or does not answer."""
    from fusetree.mounting import stale
    from fusetree.server import mountinfo

    seen = 0
    for entry in mountinfo.mounts():
        if not stale.is_fuse(entry):
            continue
        seen += 1
        error, answered = stale.ask(entry.mountpoint)
        if error is not None and error.errno in stale.DEAD:
            command = " ".join(stale.unmount_command(entry.mountpoint, lazy=True))
            yield Finding(
                Level.PROBLEM,
                "dead mount",
                f"{entry.mountpoint} ({entry.fstype}): its server is gone",
                f"{command}    (or: fusetree umount --lazy {entry.mountpoint})",
            )
        elif not answered:
            minor = entry.device.partition(":")[2]
            mounted = os.path.exists(f"{CONNECTIONS}/{minor}/abort")
            prepare = "" if mounted else f"mount -t fusectl none {CONNECTIONS}; "
            yield Finding(
                Level.PROBLEM,
                "hung mount",
                f"{entry.mountpoint} ({entry.fstype}) does not answer within {stale.PROBE_SECONDS:g} s",
                f"if its server hangs, as root: {prepare}echo 1 > {CONNECTIONS}/{minor}/abort",
            )
    yield Finding(Level.GOOD, "FUSE mounts", f"{seen} looked at")


def limits() -> Iterator[Finding]:
    """How many FUSE mounts users may have (mount_max of fuse.conf(5), 1000 unless given)."""
    from fusetree.mounting import stale
    from fusetree.server import mountinfo

    if os.geteuid() == 0:
        return
    most = 1000
    try:
        with open(FUSE_CONF, encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition("#")[0].partition("=")
                if name.strip() == "mount_max" and value.strip().isdecimal():
                    most = int(value)
    except OSError:
        pass  # the default then
    count = sum(stale.is_fuse(entry) for entry in mountinfo.mounts())
    if count >= most:
        advice = f"unmount some, or as root raise mount_max in {FUSE_CONF}"
        yield Finding(Level.PROBLEM, "mount_max", f"{count} FUSE mounts, and users may have {most}", advice)


CHECKS: Final[tuple[Callable[[], Iterator[Finding]], ...]] = (
    versions,
    device,
    helper,
    containment,
    sharing,
    limits,
    stale_mounts,
)


def examine() -> list[Finding]:
    """Everything that was found, in order; a check that fails itself is a finding, too."""
    found: list[Finding] = []
    for check in CHECKS:
        try:
            found.extend(check())
        except Exception as error:  # noqa: BLE001 -- one that fails must not hide what the others find
            found.append(Finding(Level.PROBLEM, check.__name__, f"could not be looked at: {error!r}"))
    return found


def _features() -> Iterator[str]:
    try:
        from fusetree import lowlevel
    except ImportError:
        return
    width = max(map(len, lowlevel.features()))
    for name, feature in lowlevel.features().items():
        yield f"  {name:{width}}  {feature}"


def add_doctor(commands: Commands) -> None:
    """Enter the command."""
    command = commands.add_parser("doctor", help="say what can go wrong on this machine, and what mends it")
    command.set_defaults(run=_doctor)


def _doctor(chosen: argparse.Namespace) -> int:
    findings = examine()
    width = max(len(finding.subject) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.level.value:8} {finding.subject:{width}}  {finding.text}")
        if finding.advice:
            lines.append(f"{'':8} {'':{width}}  -> {finding.advice}")
    features = list(_features())
    if features:
        lines += ["", "What this libfuse can do; what the kernel offers is known when something is mounted:"]
        lines += features
    problems = sum(finding.level is Level.PROBLEM for finding in findings)
    lines += ["", f"{problems} problem{'s' if problems != 1 else ''}" if problems else "all is well"]
    show("\n".join(lines))
    return FAILED if problems else DONE
