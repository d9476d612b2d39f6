"""What an installation contains, and what it must not."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT, python


@pytest.mark.slow
def test_a_wheel_has_the_package_with_its_core_and_nothing_beside_it(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
    shutil.copytree(ROOT / "src", copy / "src", symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    # The compiler has its turn when the project is built; here it is the list of files that counts.
    python(*words, tmp_path, copy, env={"FUSETREE_WITHOUT_CORE": "1"}, timeout=50).ok()

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"fusetree"}
    for needed in (
        "fusetree/__init__.py",
        "fusetree/py.typed",
        "fusetree/compat/path/llfuse.py",
        "fusetree/compat/path/pyfuse3.py",
        "fusetree/_lowlevel/__init__.py",
        "fusetree/_lowlevel/compat.h",
        "fusetree/_lowlevel/request.pxd",
        "fusetree/_lowlevel/request.pyi",
        "fusetree/_lowlevel/libfuse/lowlevel.pxd",
    ):
        assert needed in names
    assert not [name for name in names if name.endswith((".pyx", ".c"))]
