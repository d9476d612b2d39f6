"""How checks tell what they see: comparisons and expected errors, whose failure says what came instead."""

from __future__ import annotations

import errno
import unittest
from collections.abc import Iterator
from contextlib import contextmanager


class BrokenRuleError(AssertionError):
    """The file system broke a rule.

    :ivar expected: what the rule says.
    :ivar came: what happened.
    """

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"expected {expected}; came {came}")
        self.expected = expected
        self.came = came


class Unsupported(unittest.SkipTest):
    """The file system (or this kernel, or this user) lacks what a check is about; the text says what."""


def error_name(error: OSError) -> str:
    """The symbol of an error's number: "ENOENT"."""
    return errno.errorcode.get(error.errno or 0, f"errno {error.errno}")


def equal(came: object, expected: object, what: str) -> None:
    """:raises BrokenRuleError: *came* is not *expected*; *what* names the value that was looked at."""
    if came != expected:
        raise BrokenRuleError(f"{what} {_shown(expected)}", _shown(came))


def same_mode(came: int, expected: int, what: str = "mode") -> None:
    """:raises BrokenRuleError: the permission bits differ (07777 of both are compared)."""
    if came & 0o7777 != expected & 0o7777:
        raise BrokenRuleError(f"{what} {expected & 0o7777:04o}", f"{came & 0o7777:04o}")


def true(condition: object, expected: str, came: object = "the opposite") -> None:
    """:raises BrokenRuleError: *condition* is false."""
    if not condition:
        raise BrokenRuleError(expected, came if isinstance(came, str) else _shown(came))


@contextmanager
def fails(*numbers: int) -> Iterator[None]:
    """Within, a system call must fail with one of the errnos *numbers*."""
    wanted = " or ".join(errno.errorcode[number] for number in numbers)
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise BrokenRuleError(wanted, error_name(error)) from error
        return
    raise BrokenRuleError(wanted, "success")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}... ({len(text)} characters)"
