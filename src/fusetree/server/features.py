"""What can be had, what a session asks for, and what came of it.

At INIT the kernel offers capabilities, libfuse takes those that it knows, and the session says which of them
it wants; after that nothing can be changed.  Whether one is on depends on all three, so each is told with its
reason.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import attrs

from fusetree._lowlevel.features import CAPABILITIES, FUNCTIONS, compiled_version, runtime_version
from fusetree.errors import UnsupportedFeatureError
from fusetree.server.operations import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Collection

    from fusetree._lowlevel.connection import Connection
    from fusetree.server.operations import Operations
    from fusetree.server.options import SessionOptions, Wish

logger = logging.getLogger("fusetree")

#: The kernel that knows request timeouts has this file (Linux 6.14, Documentation/admin-guide/sysctl/fs.rst).
_TIMEOUT_FILE = "/proc/sys/fs/fuse/default_request_timeout"

#: What lets the kernel offer rings (Linux 6.14, Documentation/filesystems/fuse/fuse-io-uring.rst).
_RINGS_SWITCH = "/sys/module/fuse/parameters/enable_uring"

#: Field of SessionOptions -> attribute of Operations that decides where the field says nothing.
_ATTRIBUTES = {
    "writeback_cache": "enable_writeback_cache",
    "posix_acl": "enable_acl",
    "atomic_o_trunc": "atomic_o_trunc",
    "cache_symlinks": "cache_symlinks",
    "export": "supports_dot_lookup",
}


@attrs.frozen
class Feature:
    """One thing that libfuse or the kernel may have.  Its text says in one line what is the matter.

    Attributes:
        name: what `SessionOptions` and `UnsupportedFeatureError` call it.
        compiled: whether the libfuse that this was built with has it.
        offered: whether the kernel offers it; None as long as no session has asked it.
        on: whether it is in force; None where no session has decided.
        reason: why.
    """

    name: str
    compiled: bool
    offered: bool | None
    on: bool | None
    reason: str

    def __str__(self) -> str:
        state = "yes" if self.compiled else "no"
        if self.on is not None:
            state = "on" if self.on else "off"
        return f"{state}: {self.reason}" if self.reason else state


def _version(version: tuple[int, int]) -> str:
    return f"libfuse {version[0]}.{version[1]}"


def _not_compiled(needs: tuple[int, int]) -> str:
    return f"needs {_version(needs)}, and this was built with {_version(compiled_version())}"


def features() -> dict[str, Feature]:
    """What this library can do with the libfuse at hand, by name; what the kernel offers only a session knows
    (:meth:`Session.features`), which asks it.

    The names are those of libfuse's ``FUSE_CAP_*`` (fuse_common.h) or of `SessionOptions`, and of functions
    that an older libfuse lacks: ``custom_io``, a session on a descriptor instead of a mount, which
    :class:`fusetree.testing.Client` needs; ``request_timeout``; the handlers ``tmpfile``, ``statx``
    and ``syncfs`` (to define one that is not there does no harm); the notifications ``increment_epoch`` and
    ``prune``.
    """
    found = {}
    for name, (bit, needs) in CAPABILITIES.items():
        found[name] = Feature(name, bit != 0, None, None, "" if bit else _not_compiled(needs))
    for name, (compiled, needs) in FUNCTIONS.items():
        reason = "" if compiled else _not_compiled(needs)
        found[name] = Feature(name, compiled, _kernel_has(name), None, reason)
    return found


def _kernel_has(name: str) -> bool | None:
    return os.path.exists(_TIMEOUT_FILE) if name == "request_timeout" else None


def _is_on(connection: Connection, name: str) -> bool:
    if name == "io_uring":  # wanted alone is not enough: libfuse goes on without where it can not
        return connection.rings
    return bool(connection.capabilities_wanted & CAPABILITIES[name][0])


def _how_to_have_rings() -> str:
    try:
        with open(_RINGS_SWITCH, encoding="ascii") as switch:
            if switch.read().strip() == "Y":
                return ""
    except OSError:
        return "; Linux 6.14 has it, if it was built with CONFIG_FUSE_IO_URING"
    return f"; root switches it on for all mounts to come: echo Y > {_RINGS_SWITCH}"


class Negotiation:
    """What one session asks for, and what came of it.

    :param operations: whose attributes decide where *options* say nothing.
    :param options: what the caller insists on, refuses, or leaves open.
    :param handlers: names of the handlers that are defined.
    :param mounted: whether there is a mount; else a descriptor is served.
    """

    def __init__(
        self,
        operations: Operations,
        options: SessionOptions,
        handlers: Collection[str],
        mounted: bool = True,
    ) -> None:
        self._handlers = handlers
        self._reasons: dict[str, str] = {}
        self._wishes: dict[str, Wish] = {}
        for name, attribute in _ATTRIBUTES.items():
            wish = getattr(options, name)
            if wish is None:
                self._wish(name, bool(getattr(operations, attribute)) and "auto", f"Operations.{attribute}")
            else:
                self._wish(name, wish, f"option {name}")
        parallel = options.parallel_directory_operations
        self._wish(
            "parallel_directory_operations",
            "auto" if parallel is None else parallel,
            "by default" if parallel is None else "option parallel_directory_operations",
        )
        if options.async_read is not None:
            self._wish("async_read", options.async_read, "option async_read")
        if options.passthrough is not None:
            self._wish("passthrough", options.passthrough, "option passthrough")
        self._wish("io_uring", options.io_uring or False, "option io_uring")
        if options.io_uring is None:
            self._reasons["io_uring"] = "not asked for"
        #: For `Connection`: whether to ask for rings.
        self.rings = bool(options.io_uring) and bool(CAPABILITIES["io_uring"][0])
        if getattr(operations, "applies_umask", False):
            self._wish("dont_mask", "auto", "Operations.applies_umask")
        for name, wish in options.capabilities.items():
            self._wish(name, wish, "option capabilities")
        #: For `Connection`: what to ask for and what not.
        self.capabilities = {name: bool(wish) for name, wish in self._wishes.items()}
        numbers = (
            "max_write", "max_read", "max_readahead", "max_background", "congestion_threshold",
            "time_granularity", "request_timeout",
        )  # fmt: skip
        #: For `Connection`: the numbers that are asked for.
        self.limits = {name: getattr(options, name) for name in numbers if getattr(options, name) is not None}
        self._check_compiled()
        if self.rings and not mounted:
            self.without_rings("they need the device of a mount, and a descriptor is served")

    def _wish(self, name: str, wish: Wish, reason: str) -> None:
        self._wishes[name] = wish
        self._reasons[name] = reason

    def _check_compiled(self) -> None:
        """Refuse, before anything is mounted, what the libfuse at hand lacks."""
        for name, wish in self._wishes.items():
            bit, needs = CAPABILITIES[name]
            if wish is True and not bit:
                raise UnsupportedFeatureError(name, needs=needs, have=compiled_version())
        if self.rings and runtime_version() < (3, 18):
            self.without_rings(f"it needs libfuse 3.18, and {_version(runtime_version())} is loaded")
        compiled, needs = FUNCTIONS["request_timeout"]
        if "request_timeout" in self.limits:
            if not compiled:
                raise UnsupportedFeatureError("request_timeout", needs=needs, have=compiled_version())
            if not _kernel_has("request_timeout"):
                raise UnsupportedFeatureError(
                    "request_timeout", reason="this kernel has none; Linux 6.14 has"
                )

    def without_rings(self, reason: str) -> None:
        """Requests come over the device after all; before INIT.

        :raises UnsupportedFeatureError: rings were insisted on.
        """
        self.rings = False
        self.capabilities["io_uring"] = False
        self._reasons["io_uring"] = reason
        if self._wishes["io_uring"] is True:
            raise UnsupportedFeatureError("io_uring", reason=reason)

    def check(self, connection: Connection) -> None:
        """After INIT: what was insisted on must be on, and what was hoped for and is not is logged.

        :raises UnsupportedFeatureError: the kernel does not offer what was insisted on.
        """
        for name, wish in self._wishes.items():
            if wish and not _is_on(connection, name):
                reason = self._feature(connection, name).reason
                if wish is True:
                    raise UnsupportedFeatureError(name, reason=reason)
                logger.info("%s is off: %s", name, reason)

    def features(self, connection: Connection) -> dict[str, Feature]:
        """All features, as they are in this session."""
        found = features()
        if not connection.initialized:
            return {
                name: feature
                if feature.reason
                else attrs.evolve(feature, reason="the kernel was not asked yet")
                for name, feature in found.items()
            }
        for name in CAPABILITIES:
            found[name] = self._feature(connection, name)
        for name in FUNCTIONS:
            found[name] = self._function(found[name])
        seconds = self.limits.get("request_timeout")
        timeout = found["request_timeout"]
        if timeout.compiled:
            reason = "not asked for" if seconds is None else f"{seconds} s"
            found["request_timeout"] = attrs.evolve(timeout, on=seconds is not None, reason=reason)
        return found

    def _function(self, feature: Feature) -> Feature:
        """One that is no capability: as it is in this session."""
        if not feature.compiled:
            return attrs.evolve(feature, on=False)
        if feature.name in HANDLERS:
            defined = feature.name in self._handlers
            return attrs.evolve(feature, on=defined, reason="" if defined else "no handler is defined")
        return attrs.evolve(feature, on=True)

    def _feature(self, connection: Connection, name: str) -> Feature:
        bit, needs = CAPABILITIES[name]
        if not bit:
            return Feature(name, False, None, False, _not_compiled(needs))
        offered = bool(connection.capable & bit)
        on = _is_on(connection, name)
        wish = self._wishes.get(name)
        if not offered:
            reason = "the kernel does not offer it"
            if name == "io_uring":
                reason += _how_to_have_rings()
        elif name == "io_uring" and connection.rings_refused:
            reason = f"libfuse can not: {connection.rings_refused}"
        elif name == "io_uring" and not on:
            reason = self._reasons[name]
        elif wish is None:
            reason = "libfuse and the handlers decide"
        elif on:
            reason = self._reasons[name]
            if name == "parallel_directory_operations" and runtime_version() < (3, 17):
                reason += "; libfuse before 3.17 may not tell the kernel"
        else:
            reason = f"not wanted: {self._reasons[name]}"
        return Feature(name, True, offered, on, reason)
