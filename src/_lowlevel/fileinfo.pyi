class FileInfo:
    fh: int
    direct_io: bool
    keep_cache: bool
    nonseekable: bool
    cache_readdir: bool
    noflush: bool
    backing_id: int
    def __init__(
        self,
        fh: int = 0,
        direct_io: bool = False,
        keep_cache: bool = True,
        nonseekable: bool = False,
        *,
        cache_readdir: bool = False,
        noflush: bool = False,
        backing_id: int = 0,
    ) -> None: ...
