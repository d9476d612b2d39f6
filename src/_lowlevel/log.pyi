from contextlib import AbstractContextManager
from logging import Logger

logger: Logger

def collect() -> AbstractContextManager[list[str]]: ...
def listen() -> AbstractContextManager[list[str]]: ...
