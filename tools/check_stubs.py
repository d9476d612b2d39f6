"""Compares the `.pyi` of each module of the core with what the built module really has (mypy's stubtest).

    python -m tools.check_stubs

A module of the core without a stub is an error too. tools/stubtest-allowed names the differences that are
meant, each with its reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CORE = Path("src/fusetree/_lowlevel")
ALLOWED = Path("tools/stubtest-allowed")


def main() -> int:
    """Run stubtest over the core; returns the exit status to end with."""
    modules = sorted(path.stem for path in CORE.glob("*.pyx"))
    without = [name for name in modules if not (CORE / f"{name}.pyi").exists()]
    for name in without:
        print(f"src/_lowlevel/{name}.pyx has no stub, {name}.pyi", file=sys.stderr)
    names = [f"fusetree._lowlevel.{name}" for name in modules if name not in without]
    if not names:
        return bool(without)
    command = [
        sys.executable,
        "-m",
        "mypy.stubtest",
        "--concise",
        "--ignore-disjoint-bases",
        "--mypy-config-file",
        "pyproject.toml",
    ]
    if ALLOWED.exists():
        command += ["--allowlist", str(ALLOWED)]
    status = subprocess.run([*command, *names], env={**os.environ, "MYPYPATH": "src"}, check=False).returncode
    return status or bool(without)


if __name__ == "__main__":
    sys.exit(main())
