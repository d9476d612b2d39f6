"""The example that shows a web directory, with a server of this process."""

from __future__ import annotations

import functools
import http.server
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, is_mounted, server, shell

pytestmark = pytest.mark.mount


class Plain(http.server.SimpleHTTPRequestHandler):
    """It knows no ranges."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Ranged(Plain):
    """It gives the part that is asked for."""

    asked: list[str] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.is_file():
            super().do_GET()
            return
        self.asked.append(wanted)
        first, last = map(int, wanted.removeprefix("bytes=").split("-"))
        part = path.read_bytes()[first : last + 1]
        self.send_response(206 if part else 416)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


@contextmanager
def web(folder: Path, handler: type[Plain]) -> Iterator[str]:
    """Serve a folder at the address that is given."""
    bound = functools.partial(handler, directory=os.fspath(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), bound) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_port}"
        finally:
            serving.shutdown()
            thread.join()


@pytest.mark.parametrize("handler", [Plain, Ranged])
def test_http_directory(mountpoint: Path, tmp_path: Path, handler: type[Plain]) -> None:
    (tmp_path / "below" / "deep er").mkdir(parents=True)
    (tmp_path / "note & more.txt").write_text("hello\n")
    (tmp_path / "below/deep er/big").write_bytes(os.urandom(700_000))
    os.utime(tmp_path / "note & more.txt", (1_000_000_000, 1_000_000_000))
    with web(tmp_path, handler) as address:
        arguments = (ROOT / "examples/http_directory.py", address, mountpoint)
        with server(*arguments, mountpoint=mountpoint) as process:
            assert shell("find . -type f -printf '%P %s\\n' | sort", cwd=mountpoint).ok().lines == [
                *("below/deep er/big 700000", "note & more.txt 6")
            ]
            assert shell("cat note*; stat -c %Y note*", cwd=mountpoint).ok().lines == ["hello", "1000000000"]
            shell(f"cmp 'below/deep er/big' '{tmp_path}/below/deep er/big'", cwd=mountpoint).ok()
            if handler is Ranged:
                Ranged.asked.clear()
                command = "dd if='below/deep er/big' bs=1000 skip=600 count=1 status=none | wc -c"
                assert shell(command, cwd=mountpoint).ok().text == "1000\n"
                assert Ranged.asked == ["bytes=600000-600999"]
            assert "No such file" in shell("cat none below/none", cwd=mountpoint).error
            # Whoever has no right to write here, as users other than root, hears of that first.
            refused = shell("rm 'note & more.txt'", cwd=mountpoint).error
            assert any(text in refused for text in ("Read-only file system", "Permission denied"))
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
    assert not is_mounted(mountpoint)
