"""Runs checks one after the other and says how each ended."""

from __future__ import annotations

import enum
import os
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator

import attrs

from fusetree.testing.posix.expect import BrokenRuleError, Unsupported, error_name
from fusetree.testing.posix.features import Features
from fusetree.testing.posix.registry import Check

#: Seconds that a check may take.
PATIENCE = 30.0


class Status(enum.Enum):
    """How a check ended."""

    OK = "ok"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@attrs.frozen
class Result:
    """What a check found.

    :ivar expected: of a failed one, what the rule says.
    :ivar came: of a failed one, what happened; of a skipped one, why it was.
    """

    check: Check
    status: Status
    expected: str = ""
    came: str = ""

    def __str__(self) -> str:
        if self.status is Status.FAILED:
            return f"expected {self.expected}; came {self.came}  [{self.check.source}]"
        return self.came


def run(
    checks: Iterable[Check],
    directory: str | os.PathLike[str],
    *,
    features: Features | None = None,
    patience: float = PATIENCE,
) -> Iterator[Result]:
    """Run *checks* on the file system at *directory*, in folders of their own there, and yield each result.

    :param features: what is known of the file system; asked as needed when it is None.
    :param patience: seconds for each check; one that takes longer has failed, and hangs on in its thread.
    """
    known = Features(directory) if features is None else features
    for check in checks:
        yield _result(check, directory, known, patience)


def _result(check: Check, directory: str | os.PathLike[str], features: Features, patience: float) -> Result:
    results: list[Result] = []
    thread = threading.Thread(
        target=lambda: results.append(_judge(check, lambda: check(directory, features))),
        name=f"posix {check}",
        daemon=True,
    )
    thread.start()
    thread.join(patience)
    if not results:
        return Result(check, Status.FAILED, "an answer", f"none within {patience:g} s")
    return results[0]


def _judge(check: Check, call: Callable[[], None]) -> Result:
    try:
        call()
    except Unsupported as error:
        return Result(check, Status.SKIPPED, came=str(error))
    except BrokenRuleError as error:
        return Result(check, Status.FAILED, error.expected, error.came)
    except OSError as error:
        return Result(check, Status.FAILED, "success", f"{error_name(error)} from {_line_of(error)}")
    except Exception as error:  # noqa: BLE001 - a check that breaks is a failed one, and the others go on
        return Result(check, Status.FAILED, "success", f"{error!r} from {_line_of(error)}")
    return Result(check, Status.OK)


def _line_of(error: BaseException) -> str:
    """The source line of a check that raised *error*: the innermost that is no helper's."""
    helpers = ("place.py", "syscalls.py", "runner.py", "registry.py", "expect.py")
    package = os.path.dirname(__file__)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if os.path.dirname(frame.filename) == package and os.path.basename(frame.filename) not in helpers:
            return f"`{frame.line}`"
    return "the check's own folder"
