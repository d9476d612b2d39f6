"""The list of the extension modules; everything else about the package is in pyproject.toml.

One extension per `.pyx` of the core. The sources are reached through the committed symlink
`src/fusetree/_lowlevel`, so that a module's path and its import name agree, for Cython, for the
compiler, for `pip install .`, for `pip install -e .` and for an unpacked source distribution.
The generated C goes to build/cython and never beside the sources.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

PACKAGE = "fusetree._lowlevel"
FOLDER = "src/fusetree/_lowlevel"
OLDEST_LIBFUSE = "3.10"
ROOT = Path(__file__).resolve().parent
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def libfuse_flags(option: str) -> list[str]:
    """What pkg-config answers to *option* for libfuse3; ends the build if it cannot."""
    tool = os.environ.get("PKG_CONFIG", "pkg-config")
    if shutil.which(tool) is None:
        sys.exit("fusetree: pkg-config is missing (Debian, Ubuntu: apt-get install pkg-config libfuse3-dev)")
    wanted = f"fuse3 >= {OLDEST_LIBFUSE}"
    answer = subprocess.run([tool, option, wanted], capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(
            f"fusetree: no libfuse {OLDEST_LIBFUSE} or newer to build against "
            f"(Debian, Ubuntu: apt-get install libfuse3-dev)\n{answer.stderr}"
        )
    return answer.stdout.split()


def extensions() -> list[Extension]:
    """One extension for each .pyx of the core."""
    # The C that Cython generates compares signed and unsigned lengths, with or without our doing.
    compile_flags = [*libfuse_flags("--cflags"), "-O2", "-pthread", "-Wno-sign-compare"]
    link_flags = [*libfuse_flags("--libs"), "-pthread"]
    headers = sorted(str(path.relative_to(ROOT)) for path in (ROOT / FOLDER).glob("*.h"))
    return [
        Extension(
            name=f"{PACKAGE}.{path.stem}",
            sources=[f"{FOLDER}/{path.name}"],
            include_dirs=[FOLDER],
            depends=headers,
            extra_compile_args=compile_flags,
            extra_link_args=link_flags,
        )
        for path in sorted((ROOT / FOLDER).glob("*.pyx"))
    ]


def generated() -> list[Extension]:
    """The extensions with their C generated, where it is older than its sources."""
    modules: list[Extension] = cythonize(
        extensions(),
        include_path=["src"],
        build_dir="build/cython",
        nthreads=min(2, JOBS),
        quiet=True,
        compiler_directives={
            "language_level": 3,
            "binding": True,
            "embedsignature": False,
            "freethreading_compatible": True,
            "boundscheck": False,
            "wraparound": False,
        },
    )
    return modules


# The guard is for the processes that cythonize starts: where they do not fork they import this file.
if __name__ == "__main__":
    # The Makefile installs in place first, with what the project depends on, and builds the core after that,
    # file by file: an installation would compile everything anew in a temporary folder.
    in_place_only = "FUSETREE_WITHOUT_CORE" in os.environ
    setup(ext_modules=[] if in_place_only else generated(), options={"build_ext": {"parallel": JOBS}})
