"""What must be built or installed before anything is measured: the C programs, and an environment with the
other bindings.

Everything goes below `build/bench`, and what is there already is kept.  What cannot be had is no error:
`missing` says why, and the rows that need it are left out.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
BUILD = PROJECT / "build" / "bench"
ENVIRONMENT = BUILD / "venv"
EXAMPLES = Path("/usr/share/doc/libfuse3-dev/examples")

BINDINGS = {"pyfuse3": "pyfuse3", "mfusepy": "mfusepy", "fusepy": "fuse"}  # package: module


class UnavailableError(Exception):
    """Something that a server needs is not there; the text says what and why."""


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise UnavailableError(f"{what}: {lines[-1] if lines else f'exit status {done.returncode}'}")


def _fuse_flags() -> list[str]:
    if not shutil.which("pkg-config"):
        raise UnavailableError("pkg-config is not installed")
    done = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UnavailableError("libfuse3-dev is not installed")
    return done.stdout.split()


def _compile(source: Path, target: Path, flags: list[str]) -> Path:
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return target
    BUILD.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    _run(["cc", "-O2", "-w", "-o", str(unfinished), str(source), *flags], f"compiling {source.name}")
    unfinished.rename(target)
    return target


def load() -> Path:
    """The load generator."""
    return _compile(HERE / "load.c", BUILD / "load", [])


def memory_ll() -> Path:
    """The C yardstick."""
    return _compile(HERE / "memory_ll.c", BUILD / "memory_ll", _fuse_flags())


def _example(name: str) -> Path:
    """A source file of libfuse's examples, as a file below `build/`; Debian packs those that are long."""
    packed = EXAMPLES / f"{name}.gz"
    copy = BUILD / name
    BUILD.mkdir(parents=True, exist_ok=True)
    if (EXAMPLES / name).exists():
        text = (EXAMPLES / name).read_text()
    elif packed.exists():
        text = gzip.decompress(packed.read_bytes()).decode()
    else:
        raise UnavailableError(f"libfuse's example {name} is not in {EXAMPLES} (Debian: libfuse3-dev)")
    if name == "hello_ll.c":
        # Its timeouts of a second would have the kernel answer; its only file is named as everywhere.
        text = re.sub(r"(_timeout = |&stbuf, )1\.0", r"\g<1>0.0", text)
        text = text.replace('hello_name = "hello"', 'hello_name = "small"')
    if not copy.exists() or copy.read_text() != text:
        copy.write_text(text)
    return copy


def passthrough_ll() -> Path:
    """The pass-through file system of libfuse itself, on its low-level API."""
    _example("passthrough_helpers.h")
    return _compile(_example("passthrough_ll.c"), BUILD / "passthrough_ll", _fuse_flags())


def hello_ll() -> Path:
    """The smallest file system of libfuse, without its timeouts."""
    return _compile(_example("hello_ll.c"), BUILD / "hello_ll", _fuse_flags())


def binding(package: str, log: bool = True) -> Path:
    """The interpreter of the environment in which *package* is installed and can be imported."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(ENVIRONMENT)], "making an environment for the other bindings")
    tried = ENVIRONMENT / f".tried-{package}"
    importable = [str(python), "-c", f"import {BINDINGS[package]}"]
    if subprocess.run(importable, capture_output=True, check=False).returncode == 0:
        return python
    if not tried.exists():
        tried.touch()
        if log:
            print(f"installing {package} ...", file=sys.stderr, flush=True)
        _run(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package, "trio"],
            f"installing {package} from PyPI",
        )
    _run(importable, f"importing {package}")
    return python


def version_of(package: str) -> str:
    """Which version of *package* the environment has; empty if none."""
    if not ENVIRONMENT.exists():
        return ""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run(
        [str(ENVIRONMENT / "bin" / "python"), "-c", code], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
