"""The one session that a process has in the originals, where it is module state; here it is all in this
object.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from fusetree.compat._options import accepted
from fusetree.errors import MountError, UnsupportedFeatureError
from fusetree.lowlevel import Operations, Session


class Mounted:
    """What `init` makes, `main` serves and `close` ends.

    :param log: the logger of the module.
    :param refused: text of the RuntimeError when libfuse refuses the options.
    :param failed: text of the RuntimeError when mounting fails.
    """

    def __init__(self, log: logging.Logger, *, refused: str, failed: str) -> None:
        self._log = log
        self._refused = refused
        self._failed = failed
        self._session: Session | None = None

    def open(self, operations: Operations, mountpoint: str, options: Iterable[str]) -> None:
        """Mount.

        :raises TypeError: *mountpoint* is not a str.
        :raises RuntimeError: init() was called before without close(); or mounting failed: why is told by
            the log and by the ``__cause__``.
        """
        if not isinstance(mountpoint, str):
            raise TypeError(f"mountpoint must be a str, not {type(mountpoint).__name__}")
        if self._session is not None:
            raise RuntimeError(
                "init() was called already: a process has one mount; call close() first "
                "(fusetree.lowlevel.Session has any number)"
            )
        taken = accepted(options)
        path = os.path.abspath(mountpoint)
        try:
            self._session = Session(operations, path, taken, strict=True, inherited=True)
        except MountError as error:
            self._log.error("%s", error.strerror)
            text = self._refused if "refused the mount options" in str(error) else self._failed
            raise RuntimeError(text) from error
        except (ValueError, UnsupportedFeatureError) as error:  # of the options
            self._log.error("%s", error)
            raise RuntimeError(self._refused) from error

    def session(self, function: str) -> Session:
        """The session.

        :raises RuntimeError: there is none; the text names *function*.
        """
        if self._session is None:
            raise RuntimeError(f"Need to call init() before {function}()")
        return self._session

    def close(self, *, unmount: bool) -> None:
        """End the session.  :raises RuntimeError: there is none."""
        session = self.session("close")
        self._session = None
        session.close(unmount=unmount)
