"""The low-level API: a file system as handlers of the kernel's requests.

Define a subclass of :class:`Operations`, and serve it with a :class:`Session`.  The names and signatures are
those that users of pyfuse3 and llfuse know, without ``async``.
"""

import errno

from fusetree._lowlevel.attributes import EntryAttributes, SetattrFields
from fusetree._lowlevel.dirents import ReaddirToken, readdir_name, readdir_reply
from fusetree._lowlevel.features import compiled_version, package_version, runtime_version
from fusetree._lowlevel.filedata import FileData
from fusetree._lowlevel.fileinfo import FileInfo
from fusetree._lowlevel.filelock import FileLock
from fusetree._lowlevel.inodes import InodeTable
from fusetree._lowlevel.ioctls import IoctlRetry
from fusetree._lowlevel.polling import PollHandle
from fusetree._lowlevel.request import RequestContext
from fusetree._lowlevel.running import context, interrupted
from fusetree._lowlevel.statvfs import StatvfsData
from fusetree._lowlevel.statx import StatxAttributes
from fusetree.errors import FUSEError, MountError, SessionClosedError, UnsupportedFeatureError
from fusetree.flags import RENAME_EXCHANGE, RENAME_NOREPLACE, ROOT_INODE
from fusetree.server.features import Feature, features
from fusetree.server.loops import running_library
from fusetree.server.operations import Operations
from fusetree.server.options import SessionOptions
from fusetree.server.session import Session
from fusetree.server.statistics import OperationTiming, SessionStatistics

#: What getxattr answers for an attribute that is not there (ENODATA on Linux).
ENOATTR = errno.ENODATA

__all__ = [
    "ENOATTR",
    "RENAME_EXCHANGE",
    "RENAME_NOREPLACE",
    "ROOT_INODE",
    "EntryAttributes",
    "FUSEError",
    "Feature",
    "FileData",
    "FileInfo",
    "FileLock",
    "InodeTable",
    "IoctlRetry",
    "MountError",
    "OperationTiming",
    "Operations",
    "PollHandle",
    "ReaddirToken",
    "RequestContext",
    "Session",
    "SessionClosedError",
    "SessionOptions",
    "SessionStatistics",
    "SetattrFields",
    "StatvfsData",
    "StatxAttributes",
    "UnsupportedFeatureError",
    "compiled_version",
    "context",
    "features",
    "interrupted",
    "package_version",
    "readdir_name",
    "readdir_reply",
    "running_library",
    "runtime_version",
]
