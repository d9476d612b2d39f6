from typing import final

@final
class Ticket:
    @property
    def delivered(self) -> bool: ...
