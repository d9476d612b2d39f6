from collections.abc import Iterable
from typing import final

@final
class IoctlRetry:
    @property
    def inputs(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def outputs(self) -> tuple[tuple[int, int], ...]: ...
    def __init__(
        self, inputs: Iterable[tuple[int, int]] = (), outputs: Iterable[tuple[int, int]] = ()
    ) -> None: ...
