from fusetree._lowlevel.dispatch import Dispatcher
from fusetree._lowlevel.request import Request

class WatchedDispatcher(Dispatcher):
    def running(self) -> list[tuple[int, Request]]: ...
