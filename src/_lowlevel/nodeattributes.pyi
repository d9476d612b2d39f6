from typing import final

from fusetree._lowlevel.attributes import EntryAttributes

@final
class NodeAttributes(EntryAttributes):
    @property
    def node_id(self) -> int: ...
    @property
    def change(self) -> int: ...
    publish: bool
    ttl: float
