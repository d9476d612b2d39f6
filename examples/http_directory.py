"""A directory of a web server as files, read as far as they are asked for.

    python examples/http_directory.py http://localhost:8000/ MOUNTPOINT

Try: find MOUNTPOINT; head -c 100 MOUNTPOINT/FILE; cp MOUNTPOINT/FILE /tmp. Ctrl-C ends it.
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

BASE = sys.argv[1].rstrip("/") + "/"
KEPT = 5.0  # seconds for which names, sizes and times are taken for granted
app = Router()


def ask(method: str, way: str, offset: int = 0, size: int = -1) -> tuple[bytes, dict[str, str]]:
    """What the server sends of a path, all or *size* bytes from *offset* on, and the headers."""
    headers = {"Range": f"bytes={offset}-{offset + size - 1}"} if size >= 0 else {}
    request = urllib.request.Request(BASE + urllib.parse.quote(way), headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            skipped = 0 if reply.status == 206 else offset  # a server without ranges sends all of it
            return reply.read(skipped + size if size >= 0 else None)[skipped:], dict(reply.headers)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing lies there
            return b"", {}
        raise FileNotFoundError if error.code in (404, 410) else PermissionError from error


@app.list("/{way:path}", ttl=KEPT)
async def names(way: str) -> list[str]:
    """The names that the page of a directory links to; those of directories end with a slash."""
    page, _ = await asyncio.to_thread(ask, "GET", f"{way}/" if way else "")
    links = re.findall(r'href="([^"?/]+/?)"', page.decode())
    return [urllib.parse.unquote(html.unescape(link)) for link in links if not link.startswith(".")]


@app.file("/{way:path}", ttl=KEPT)
async def part(way: str, size: int, offset: int) -> bytes:
    """A part of a file."""
    return (await asyncio.to_thread(ask, "GET", way, offset, size))[0]


@part.getattr
async def _(way: str) -> Attributes:
    _, headers = await asyncio.to_thread(ask, "HEAD", way)
    changed = email.utils.parsedate_to_datetime(headers["Last-Modified"]).timestamp()
    return Attributes(size=int(headers["Content-Length"]), mtime_ns=int(changed) * 10**9)


run(app, sys.argv[2])
