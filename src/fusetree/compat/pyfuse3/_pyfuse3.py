"""The module that older programs import names of pyfuse3 from."""

import logging

from fusetree.compat.pyfuse3 import (
    FileHandleT,
    FileNameT,
    FlagT,
    FUSEError,
    InodeT,
    ModeT,
    Operations,
    XAttrNameT,
    async_wrapper,
)

__all__ = [
    "FUSEError",
    "FileHandleT",
    "FileNameT",
    "FlagT",
    "InodeT",
    "ModeT",
    "Operations",
    "XAttrNameT",
    "async_wrapper",
    "log",
]

log = logging.getLogger("pyfuse3._pyfuse3")
