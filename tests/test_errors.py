from __future__ import annotations

import errno
import os
import pickle

import pytest

from fusetree.errors import (
    AlreadyRepliedError,
    FUSEError,
    FusetreeError,
    MountError,
    SessionClosedError,
    StaleMountError,
    UnsupportedFeatureError,
    errno_of,
)


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.EXDEV, "text"), errno.EXDEV),
        (FileNotFoundError(), errno.ENOENT),
        (FileNotFoundError("text only"), errno.ENOENT),
        (PermissionError(), errno.EACCES),
        (PermissionError(errno.EPERM, "text"), errno.EPERM),
        (FileExistsError(), errno.EEXIST),
        (IsADirectoryError(), errno.EISDIR),
        (NotADirectoryError(), errno.ENOTDIR),
        (TimeoutError(), errno.ETIMEDOUT),
        (InterruptedError(), errno.EINTR),
        (BlockingIOError(), errno.EAGAIN),
        (BrokenPipeError(), errno.EPIPE),
        (ConnectionResetError(), errno.ECONNRESET),
        (OSError("text only"), errno.EIO),
        (FUSEError(errno.ENOSPC), errno.ENOSPC),
        (ValueError("a mistake"), errno.EIO),
        (KeyError("x"), errno.EIO),
        (SystemExit(), errno.EIO),
    ],
)
def test_errno_of(error: BaseException, number: int) -> None:
    assert errno_of(error) == number


def test_a_subclass_without_a_number_is_as_its_base() -> None:
    class GoneError(FileNotFoundError):
        pass

    assert errno_of(GoneError()) == errno.ENOENT


def test_fuse_error_is_an_os_error_with_its_text() -> None:
    error = FUSEError(errno.ENOENT)
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror) == (errno.ENOENT, os.strerror(errno.ENOENT))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is FUSEError
    assert again.errno == errno.ENOENT


def test_the_tree() -> None:
    assert issubclass(StaleMountError, MountError)
    assert issubclass(MountError, FusetreeError)
    assert issubclass(MountError, OSError)
    assert issubclass(AlreadyRepliedError, RuntimeError)
    assert issubclass(SessionClosedError, RuntimeError)
    stale = StaleMountError(errno.ENOTCONN, "a dead mount", "/mnt")
    assert (stale.errno, stale.filename) == (errno.ENOTCONN, "/mnt")


def test_an_unsupported_feature_says_what_it_needs() -> None:
    assert str(UnsupportedFeatureError("x", needs=(3, 17), have=(3, 14))) == (
        "x is not available: it needs libfuse 3.17, and 3.14 is here"
    )
    assert str(UnsupportedFeatureError("x", reason="no")) == "x is not available: no"
    assert str(UnsupportedFeatureError("x", needs=(3, 17), reason="no")).endswith("3.17 (no)")
