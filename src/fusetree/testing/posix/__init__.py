"""A list of checks of POSIX behaviour, for any file system that is mounted somewhere.

From the shell::

    python -m fusetree.testing.posix DIR            # a table of what failed, and a summary
    python -m fusetree.testing.posix --list

In pytest (a check that raises ``Unsupported`` counts as skipped there)::

    from fusetree.testing.posix import checks

    @pytest.mark.parametrize("check", checks, ids=str)
    def test_posix(check, directory):
        check(directory)

The parts:

    registry    a check, its group, the list
    expect      comparisons and expected errors
    place       the folder of one check; other users, other processes
    features    what a file system may lack without breaking a rule
    syscalls    what Python has no function for
    runner      runs checks, yields results
    report      the table
    (others)    the checks, one module for each group of system calls

Never run it from the process that serves the file system: checks of mmap(2) would wait for themselves.
"""

from fusetree.testing.posix.expect import BrokenRuleError as BrokenRuleError, Unsupported as Unsupported
from fusetree.testing.posix.features import Features as Features, feature_names as feature_names
from fusetree.testing.posix.listed import checks as checks
from fusetree.testing.posix.place import Place as Place
from fusetree.testing.posix.registry import Check as Check, chosen as chosen
from fusetree.testing.posix.report import Report as Report
from fusetree.testing.posix.runner import Result as Result, Status as Status, run as run

__all__ = [
    "Check",
    "BrokenRuleError",
    "Features",
    "Place",
    "Report",
    "Result",
    "Status",
    "Unsupported",
    "checks",
    "chosen",
    "feature_names",
    "run",
]
