from typing import Any

from fusetree._lowlevel.attributes import EntryAttributes

class ReaddirToken:
    @property
    def inode(self) -> int: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

def readdir_reply(token: ReaddirToken, name: bytes, attr: EntryAttributes, next_id: int) -> bool: ...
