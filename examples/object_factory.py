"""Objects made by mkdir, set by echo, related by ln and destroyed by rmdir, as in the kernel's configfs.

python examples/object_factory.py MNT
cd MNT; mkdir servers/web1 pools/blue; echo 8080 > servers/web1/port
ln -s ../../../servers/web1 pools/blue/members/; cat pools/blue/config
"""

from __future__ import annotations

import errno
import sys

import attrs

import fusetree
from fusetree import Dir, FactoryDir, RelationDir, computed, entry, node

matches = attrs.validators.matches_re


@node
class Server(Dir):
    """One server that requests can go to."""

    name: str = entry(validator=matches(r"[a-z][a-z0-9-]*"), writable=False)  # mkdir 'bad*name': EINVAL
    port: int = entry(80, validator=[attrs.validators.ge(1), attrs.validators.lt(65536)])
    weight: float = entry(1.0, doc="How many requests it gets, compared with others")


@node
class Pool(Dir):
    """Servers that share the work."""

    name: str = entry(validator=matches(r"[a-z]+"), writable=False)
    members: RelationDir = attrs.field(factory=lambda: RelationDir(Server))

    @computed
    def config(self) -> str:
        """What a proxy would read."""
        lines = [f"pool {self.name} {{"]
        for server in self.members.related().values():
            assert isinstance(server, Server)
            lines.append(f"    server {server.name}:{server.port} weight={server.weight:g};")
        return "\n".join([*lines, "}\n"])


def unused(server: Server) -> None:
    """Keep a server that a pool still needs."""
    if any(server in pool.members.related().values() for pool in pools.values() if isinstance(pool, Pool)):
        raise OSError(errno.EBUSY, "a pool still uses it")


pools = FactoryDir(Pool)
root = Dir({"servers": FactoryDir(Server, unused), "pools": pools})

if __name__ == "__main__":
    fusetree.run(root, sys.argv[1])
