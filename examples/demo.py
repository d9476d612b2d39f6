"""A walk through the mounted state of `live_app.py`, from outside, with ordinary programs.

Each command and its output is printed like a shell session, and each output is checked.  The first surprise
ends the demo with status 1.  Whatever happens, also Ctrl-C or SIGTERM, the application is ended, the tree
unmounted and the temporary folder taken away.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

APP = Path(__file__).with_name("live_app.py")

COMMAND_SECONDS = 20
END_SECONDS = 10

# What a command has to print: the exact text, or a function that says whether the text is right.
Expected = str | Callable[[str], bool]


class SurpriseError(Exception):
    """Something was not as it had to be."""


class Walk:
    """Runs commands in a folder as a person would, and shows them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands = 0

    def say(self, text: str) -> None:
        """A line of explanation."""
        print(f"\n# {text}", flush=True)

    def run(self, command: str, expected: Expected | None = None, *, fails: bool = False) -> str:
        """Run a command, show it and what it printed, and check it.

        Arguments:
            command: as typed into bash, whose `echo` says why a write was refused (dash says "I/O error").
            expected: what it has to print; None: anything.
            fails: whether it has to end with a status other than 0.

        Returns:
            What it printed, without the last line break.

        Raises:
            SurpriseError: it printed or ended otherwise.
        """
        print(f"$ {command}", flush=True)
        try:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_SECONDS,
                env={**os.environ, "LC_ALL": "C"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SurpriseError(f"no end after {COMMAND_SECONDS} seconds") from None
        output = done.stdout.rstrip("\n")
        if output:
            print(output, flush=True)
        if (done.returncode != 0) is not fails:
            raise SurpriseError(f"it ended with status {done.returncode}")
        if expected is not None and not (
            output == expected if isinstance(expected, str) else expected(output)
        ):
            raise SurpriseError(
                f"expected {expected!r}" if isinstance(expected, str) else "that is not what had to come"
            )
        self.commands += 1
        return output


def walk(run: Walk) -> None:
    """The walk itself."""
    run.say("The program's state is a folder.")
    run.run(
        "ls -l app",
        lambda text: all(name in text for name in ("README", "counters", "jobs", "settings", "submit")),
    )
    run.run("cat app/README", lambda text: text.startswith("settings/"))
    run.run(
        "find app -type d", lambda text: text.split() == ["app", "app/settings", "app/counters", "app/jobs"]
    )

    run.say("A job is a line written to a file; a directory for it appears.")
    run.run("ls app/jobs", "")
    run.run("echo 'hash text' > app/submit")
    run.run("ls app/jobs", "1")
    run.run("ls app/jobs/1", lambda text: text.split() == ["command", "result", "state", "wait"])
    run.run("cat app/jobs/1/wait", "done")
    run.run("cat app/jobs/1/result", run.run("sha256sum < text").split()[0])

    run.say("A setting changed by echo takes effect.")
    run.run("cat app/settings/algorithm", "sha256")
    run.run("echo md5 > app/settings/algorithm")
    run.run("cat app/settings/algorithm", "md5")
    run.run("echo 'hash text' > app/submit")
    run.run("cat app/jobs/2/wait", "done")
    run.run("cat app/jobs/2/result", run.run("md5sum < text").split()[0])

    run.say("A bad value is refused and the old one stays.")
    run.run("echo rot13 > app/settings/algorithm", lambda text: "Invalid argument" in text, fails=True)
    run.run("cat app/settings/algorithm", "md5")
    run.run("echo many > app/settings/most_primes", lambda text: "Invalid argument" in text, fails=True)
    run.run("cat app/settings/most_primes", "100000")
    run.run("echo 'launch rockets' > app/submit", lambda text: "Invalid argument" in text, fails=True)
    run.run("echo 5 > app/counters/jobs_done", fails=True)

    run.say("A counter read twice moves: the kernel caches it, and is told when it changes.")
    before = int(run.run("cat app/counters/bytes_read"))
    run.run("cat app/counters/jobs_done", "2")
    run.run("echo 'words text' > app/submit")
    run.run("cat app/jobs/3/wait", "done")
    run.run("cat app/counters/bytes_read", str(before + (run.folder / "text").stat().st_size))
    run.run("cat app/counters/jobs_done", "3")
    counted = run.run("wc < text").split()
    run.run("cat app/jobs/3/result", " ".join(counted))

    run.say("What fails, fails in the job and not in the program.")
    run.run("echo 'hash nowhere' > app/submit")
    run.run("cat app/jobs/4/wait", "failed")
    run.run("cat app/jobs/4/result", lambda text: "No such file or directory" in text)

    run.say("Files have sizes, modes and owners like others.")
    run.run(
        "stat -c '%A %s %n' app/settings/algorithm app/counters/jobs_done app/submit app/jobs",
        "-rw-r--r-- 4 app/settings/algorithm\n-r--r--r-- 2 app/counters/jobs_done\n"
        "--w------- 0 app/submit\ndr-xr-xr-x 0 app/jobs",
    )
    run.run("grep -r done app/jobs --include=state", lambda text: text.count("done") == 3)
    run.run("cat app/jobs/99/state", lambda text: "No such file or directory" in text, fails=True)

    run.say("What the program lets go of disappears.")
    run.run("echo 1 > app/forget")
    run.run("ls app/jobs", "2\n3\n4")


class Interrupts:
    """SIGINT, SIGTERM and SIGHUP end the demo by an exception: once, and never while something is being set
    up or cleaned up.
    """

    def __init__(self) -> None:
        self._held = False
        self._raised = False
        self._pending: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._pending = number
        elif not self._raised:
            self._raised = True
            raise SystemExit(128 + number)

    def hold(self) -> None:
        """Raise nothing from now on."""
        self._held = True

    def release(self) -> None:
        """Raise again, at once if a signal came meanwhile."""
        self._held = False
        if self._pending is not None:
            self._received(self._pending, None)


def launch(folder: Path) -> subprocess.Popen[str]:
    """Start the application."""
    print(f"$ python {os.path.relpath(APP)} app &", flush=True)
    # In a session of its own: Ctrl-C reaches the demo, and the demo ends the application.
    return subprocess.Popen(
        [sys.executable, str(APP), "app"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_mounted(app: subprocess.Popen[str]) -> None:
    """Wait until the application says that it has mounted."""
    assert app.stdout is not None
    ready, _, _ = select.select([app.stdout], [], [], COMMAND_SECONDS)
    if not ready or not app.stdout.readline().startswith("mounted at"):
        raise SurpriseError("the application did not mount")


def stop(app: subprocess.Popen[str], mountpoint: Path) -> bool:
    """End the application.  Returns whether it ended well and left no mount."""
    if app.poll() is None:
        app.terminate()
    try:
        clean = app.wait(END_SECONDS) == 0
    except subprocess.TimeoutExpired:
        clean = False
        app.kill()
        app.wait()
    if is_mounted(mountpoint):
        clean = False
        helper = shutil.which("fusermount3")
        command = [helper, "-u", "-z"] if helper else ["umount", "-l"]
        subprocess.run([*command, str(mountpoint)], check=False)
    return clean


def is_mounted(mountpoint: Path) -> bool:
    """Whether something, alive or dead, is mounted there."""
    mounts = Path("/proc/self/mounts").read_text()
    return f" {mountpoint} " in mounts


def main() -> int:
    """Run the demo.  Returns the exit status."""
    interrupts = Interrupts()
    folder: Path | None = None
    app: subprocess.Popen[str] | None = None
    try:
        try:
            interrupts.hold()
            folder = Path(tempfile.mkdtemp(prefix="fusetree-demo-")).resolve()
            (folder / "app").mkdir()
            (folder / "text").write_text("the quick brown fox\njumps over the lazy dog\n" * 5000)
            app = launch(folder)
            interrupts.release()

            wait_until_mounted(app)
            run = Walk(folder)
            walk(run)
            if not stop(app, folder / "app"):
                raise SurpriseError("the application did not end well")
            run.say("Unmounted: the folder is empty again.")
            run.run("ls -A app", "")
            print(f"\n{run.commands} commands, no surprise.")
        except SurpriseError as surprise:
            print(f"\nSURPRISE: {surprise}", file=sys.stderr)
            return 1
        finally:
            interrupts.hold()
    finally:
        if app is not None and folder is not None:
            stop(app, folder / "app")
            if app.stdout is not None:
                app.stdout.close()
        if folder is not None:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
