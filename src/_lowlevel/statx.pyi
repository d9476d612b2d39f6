from fusetree._lowlevel.attributes import EntryAttributes

class StatxAttributes(EntryAttributes):
    attributes: int
    attributes_mask: int
    @property
    def st_birthtime_ns(self) -> int: ...
    @st_birthtime_ns.setter
    def st_birthtime_ns(self, value: int) -> None: ...
