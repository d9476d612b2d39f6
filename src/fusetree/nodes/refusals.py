"""What an object raises when it refuses, as an errno."""

from __future__ import annotations

import contextlib
import errno
import os
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from fusetree.nodes.owed import Owed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["refusals", "refused", "refusing"]


@contextlib.contextmanager
def refusals(missing: int = errno.ENOENT) -> Iterator[None]:
    """Make an errno of what an object raises when it refuses.

    `OSError` passes. Nothing there (KeyError, IndexError): *missing*. A value that it does not take
    (ValueError, TypeError): EINVAL. What cannot be assigned (AttributeError), or is not made for it
    (NotImplementedError): EROFS. All else is a bug and passes.
    """
    try:
        yield
    except OSError:
        raise
    except (KeyError, IndexError) as error:
        raise refused(missing) from error
    except (ValueError, TypeError) as error:
        raise refused(errno.EINVAL) from error
    except (AttributeError, NotImplementedError) as error:
        raise refused(errno.EROFS) from error


def refusing(function: Callable[[], Any], missing: int = errno.ENOENT) -> Any:
    """Call what may refuse; of an ``async`` function a coroutine comes back, which refuses in like manner."""
    with refusals(missing):
        result = function()
    return _later(Owed(result), missing) if isinstance(result, CoroutineType) else result


async def _later(owed: Owed, missing: int) -> Any:
    with refusals(missing):
        return await owed.coroutine


def refused(number: int) -> OSError:
    """An answer with an errno."""
    return OSError(number, os.strerror(number))
