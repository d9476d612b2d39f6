"""Run a program of llfuse or pyfuse3, unmodified, on the drop-in.

::

    python -m fusetree.compat pyfuse3 SCRIPT ARGS...
    python -m fusetree.compat pyfuse3 -m MODULE ARGS...
    python -m fusetree.compat --path

The last one prints a folder; on PYTHONPATH it makes ``import pyfuse3`` and ``import llfuse`` ours in every
process.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from fusetree.compat._alias import DROP_INS, install

FOLDER = Path(__file__).resolve().parent / "path"
USAGE = """\
usage: python -m fusetree.compat {llfuse,pyfuse3} SCRIPT ARGS...
       python -m fusetree.compat {llfuse,pyfuse3} -m MODULE ARGS...
       python -m fusetree.compat --path
"""


def main(arguments: list[str]) -> int:
    """Do what *arguments* say; returns the exit status."""
    if arguments == ["--path"]:
        print(FOLDER)
        return 0
    if arguments in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    if len(arguments) < 2 or arguments[0] not in DROP_INS or (arguments[1] == "-m" and len(arguments) < 3):
        print(USAGE, end="", file=sys.stderr)
        return 2
    name, *program = arguments
    install(name)
    # For the processes that it starts.
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{FOLDER}{os.pathsep}{path}" if path else str(FOLDER)
    if program[0] == "-m":
        sys.argv = program[1:]
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        sys.path[0] = str(Path(program[0]).resolve().parent)
        runpy.run_path(program[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
