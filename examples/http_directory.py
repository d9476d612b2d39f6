"""A directory of a web server as files, read as far as they are asked for.

    python examples/http_directory.py http://localhost:8000/ MOUNTPOINT

Try: find MOUNTPOINT; head -c 100 MOUNTPOINT/FILE; cp MOUNTPOINT/FILE /tmp; Ctrl-C ends it.
"""

import asyncio
import email.utils
import html
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

from fusetree import Attributes, Router, run

BASE, MOUNTPOINT = sys.argv[1].rstrip("/") + "/", sys.argv[2]
KEPT = 5.0  # seconds for which names, sizes and times are taken for granted
app = Router()


def ask(method: str, way: str, offset: int = 0, size: int = -1) -> tuple[bytes, dict[str, str]]:
    headers = {"Range": f"bytes={offset}-{offset + size - 1}"} if size >= 0 else {}
    request = urllib.request.Request(BASE + urllib.parse.quote(way), headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            skipped = 0 if reply.status == 206 else offset  # a server without ranges sends all of it
            return reply.read(skipped + size if size >= 0 else None)[skipped:], dict(reply.headers)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return b"", {}  # nothing lies there
        raise FileNotFoundError if error.code in (404, 410) else PermissionError from error


@app.list("/{way:path}", ttl=KEPT)
async def names(way: str) -> list[str]:
    page, _ = await asyncio.to_thread(ask, "GET", f"{way}/" if way else "")
    links = re.findall(r'href="([^"?/]+/?)"', page.decode())  # those of directories end with a slash
    return [urllib.parse.unquote(html.unescape(link)) for link in links if not link.startswith(".")]


@app.file("/{way:path}", ttl=KEPT)
async def part(way: str, size: int, offset: int) -> bytes:
    return (await asyncio.to_thread(ask, "GET", way, offset, size))[0]


@part.getattr
async def _(way: str) -> Attributes:
    _, headers = await asyncio.to_thread(ask, "HEAD", way)
    changed = email.utils.parsedate_to_datetime(headers["Last-Modified"])
    return Attributes(size=int(headers["Content-Length"]), mtime_ns=int(changed.timestamp()) * 10**9)


if __name__ == "__main__":
    run(app, MOUNTPOINT)
