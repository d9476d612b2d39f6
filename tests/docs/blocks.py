"""The code blocks of a Markdown page, and a runner that does what a reader would do with them.

    ```python              run, in the page's one namespace
    ```{code-block} python
    :caption: app.py       written to that file
    ```
    ```console             each line after "$ " run by a shell, its output compared; "..." stands for anything
    ```pycon               run as a doctest in the page's namespace

Blocks of any other language are for reading only.  A console line that ends in "&" starts a server that goes
on until the page ends.  Everything runs in an empty folder that holds an empty directory `mnt`.
"""

from __future__ import annotations

import contextlib
import doctest
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs

from fusetree.mounting.stale import find_mount

_OPENING = re.compile(r"^(?P<fence>```+)(?:\{(?P<directive>[\w-]+)\}\s*)?(?P<language>[\w+-]*)\s*$")
_OPTION = re.compile(r"^:(?P<key>[\w-]+):\s*(?P<value>.*)$")

COMMAND_SECONDS = 30


@attrs.frozen
class Block:
    """One fenced block: its language, its options, its text, and the line where the text begins (from 1)."""

    language: str
    caption: str | None
    text: str
    line: int


def parse(markdown: str) -> list[Block]:
    """The fenced blocks of a page that have a language, in order."""
    blocks = []
    lines = iter(enumerate(markdown.splitlines(), start=1))
    for _, line in lines:
        opening = _OPENING.match(line)
        if opening is None:
            continue
        is_code = opening["directive"] in (None, "code-block")
        caption, body, first, in_options = None, [], 0, opening["directive"] is not None
        for number, inner in lines:
            if inner.startswith(opening["fence"]):
                break
            option = _OPTION.match(inner) if in_options else None
            if option is not None:
                if option["key"] == "caption":
                    caption = option["value"].strip("`")
                continue
            in_options = False
            first = first or number
            body.append(inner)
        if is_code and opening["language"]:
            blocks.append(Block(opening["language"], caption, "\n".join(body) + "\n", first))
    return blocks


def matches(expected: str, got: str) -> bool:
    """Whether an output is the one a page shows; blanks at line ends and at the end do not count, "..." is
    anything.
    """
    pattern = ".*".join(re.escape(part) for part in _tidy(expected).split("..."))
    return re.fullmatch(pattern, _tidy(got), re.DOTALL) is not None


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


class Page:
    """Runs the blocks of one page.  A context manager: at the end servers are stopped and the folder left
    again.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder
        self.namespace: dict[str, Any] = {"__name__": "__page__"}
        self._servers: list[subprocess.Popen[bytes]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Page:
        (self.folder / "mnt").mkdir()
        previous = os.getcwd()
        os.chdir(self.folder)
        self._stack.callback(os.chdir, previous)
        self._stack.callback(self._stop_servers)
        self._stack.callback(self._close_mounts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self) -> int:
        """Run every block.  Returns how many there were."""
        blocks = parse(self.path.read_text(encoding="utf-8"))
        ran = 0
        for block in blocks:
            if block.caption is not None and block.language != "console":
                (self.folder / block.caption).write_text(block.text, encoding="utf-8")
            elif block.language == "python":
                self._run_python(block)
            elif block.language == "pycon":
                self._run_doctest(block)
            elif block.language == "console":
                self._run_console(block)
            else:
                continue
            ran += 1
        return ran

    def _run_python(self, block: Block) -> None:
        # The empty lines put the page's own line numbers into tracebacks.
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, str(self.path), "exec"), self.namespace)

    def _run_doctest(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(
            block.text, self.namespace, self.path.name, str(self.path), block.line - 1
        )
        output: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        runner.run(test, out=output.append, clear_globs=False)
        self.namespace.update(test.globs)
        assert not runner.failures, "".join(output)

    def _run_console(self, block: Block) -> None:
        for line, command, expected in _commands(block):
            where = f"{self.path.name}:{line}: $ {command}"
            if command.endswith("&"):
                self._start_server(command.removesuffix("&").strip())
                continue
            done = subprocess.run(
                ["bash", "-c", command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_SECONDS,
                env=_environment(),
                check=False,
            )
            assert matches(expected, done.stdout), f"{where}\nexpected:\n{expected}\ngot:\n{done.stdout}"

    def _start_server(self, command: str) -> None:
        # In its own process group: it gets the signals that we send, not those of the terminal.
        server = subprocess.Popen(["sh", "-c", f"exec {command}"], env=_environment(), start_new_session=True)
        self._servers.append(server)
        wait_for_mount(self.folder / "mnt", server)

    def _close_mounts(self) -> None:
        from fusetree import mounting

        for value in self.namespace.values():
            if isinstance(value, mounting.Mount):
                value.close()

    def _stop_servers(self) -> None:
        for server in self._servers:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
            server.wait(COMMAND_SECONDS)


def wait_for_mount(mountpoint: Path, server: subprocess.Popen[bytes]) -> None:
    """Wait until something is mounted there: the kernel tells by an exceptional condition on its list of
    mounts.
    """
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        poll = select.poll()
        poll.register(table, select.POLLERR | select.POLLPRI)
        while find_mount(mountpoint) is None:
            assert server.poll() is None, (
                f"the server ended with status {server.returncode} before it had mounted"
            )
            # A server that ends without mounting raises no condition here, so it is looked at now and then.
            poll.poll(200)


def _commands(block: Block) -> Iterator[tuple[int, str, str]]:
    command, expected, where = None, "", 0
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        if line.startswith("$ "):
            if command is not None:
                yield where, command, expected
            command, expected, where = line[2:].strip(), "", number
        else:
            expected += line + "\n"
    if command is not None:
        yield where, command, expected


def _environment() -> dict[str, str]:
    """The reader's environment: `python` and `fusetree` are those that run this test, messages are in
    English.
    """
    scripts = os.path.dirname(sys.executable)
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}", "LC_ALL": "C.UTF-8"}
