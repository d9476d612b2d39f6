"""tools/test-python: which interpreters it takes, and what it tells of them.

The interpreters, `make` and the virtual environments are made up: scripts that say what the real ones would.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import ROOT, Completed, shell

MAKE = """#!/bin/bash
for argument; do [[ $argument == *=* ]] && declare "$argument"; done
echo "made $VENV with $PYTHON"
mkdir -p "$VENV/bin"
printf '#!/bin/sh\\n%s\\n' "$SUITE" >"$VENV/bin/python"
chmod +x "$VENV/bin/python"
[[ $VENV != *3.92 ]]
"""


class Machine:
    """A checkout with nothing but the program, and two folders where interpreters lie."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.programs = folder / "programs"
        self.pyenv = folder / "pyenv"
        (self.checkout / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools/test-python", self.checkout / "tools")
        self.script(self.programs / "make", MAKE)

    def script(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def interpreter(self, folder: Path, release: str) -> Path:
        version = release.rpartition(".")[0]
        return self.script(folder / f"python{version}", f"#!/bin/sh\necho {version} {release}\n")

    def run(self, arguments: str = "", *, suite: str = "exit 0") -> Completed:
        path = f"{self.programs}:/usr/bin:/bin"
        environment = {"PATH": path, "PYENV_ROOT": str(self.pyenv), "SUITE": suite}
        return shell(f"tools/test-python {arguments}", cwd=self.checkout, env=environment)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_newest_release_of_each_version_is_taken_wherever_it_lies(machine: Machine) -> None:
    machine.interpreter(machine.programs, "3.90.1")
    newer = machine.interpreter(machine.pyenv / "versions/3.90.10/bin", "3.90.10")
    other = machine.interpreter(machine.programs, "3.91.0")
    machine.interpreter(machine.pyenv / "versions/3.91.0/bin", "3.91.0")
    answer = machine.run().ok()
    assert f"made build/python-3.90 with {newer}" in answer.lines
    assert f"made build/python-3.91 with {other}" in answer.lines
    assert {"== Python 3.90.10: passed", "== Python 3.91.0: passed"} <= set(answer.lines)


def test_shims_and_what_has_no_headers_are_left_out(machine: Machine) -> None:
    machine.interpreter(machine.pyenv / "shims", "3.90.0")
    bare = machine.script(machine.programs / "python3.91", "#!/bin/sh\nexit 1\n")
    answer = machine.run()
    assert not any("3.90" in line or "3.91" in line for line in answer.lines)
    assert f"left out: {bare}" in answer.error


def test_a_failure_is_told_and_stops_nobody_else(machine: Machine) -> None:
    named = [machine.interpreter(machine.programs, release) for release in ("3.90.0", "3.92.0", "3.93.0")]
    answer = machine.run(" ".join(map(str, named)), suite='case "$0" in *3.90*) exit 1;; esac')
    assert answer.status == 1
    assert answer.lines[-3:] == [
        "== Python 3.90.0: failed",
        "== Python 3.92.0: could not be built",
        "== Python 3.93.0: passed",
    ]


def test_without_an_interpreter_the_status_says_so(machine: Machine) -> None:
    assert machine.run("/bin/false").status == 2
