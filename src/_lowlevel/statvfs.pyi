from typing import Any

STATVFS_NAMES: tuple[str, ...]

class StatvfsData:
    f_bsize: int
    f_frsize: int
    f_blocks: int
    f_bfree: int
    f_bavail: int
    f_files: int
    f_ffree: int
    f_favail: int
    f_namemax: int
    def __init__(self) -> None: ...
    def __getstate__(self) -> dict[str, int]: ...
    def __setstate__(self, state: dict[str, int]) -> None: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
