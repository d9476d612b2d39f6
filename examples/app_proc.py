"""A /proc for your program: threads, garbage collector, memory and log as files, beside its work.

python examples/app_proc.py MNT        cat MNT/threads/*/stack MNT/memory/top MNT/log; echo > MNT/gc/collect
"""

import collections
import gc
import logging
import sys
import threading
import traceback
import tracemalloc

import fusetree
from fusetree import Dir, DynamicDir, action

logger = logging.getLogger(__name__)


class Log(logging.Handler):
    """The last hundred lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: collections.deque[str] = collections.deque(maxlen=100)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)}\n")


def thread(number: str) -> object:
    """The directory of one thread; None when there is none of that number."""
    found = next((each for each in threading.enumerate() if str(each.native_id) == number), None)
    if found is None:
        return None
    stack = "".join(traceback.format_stack(sys._current_frames().get(found.ident or 0)))
    return {"name": f"{found.name}\n", "daemon": found.daemon, "stack": stack}


def top() -> str:
    """The ten lines of the program that hold most memory."""
    return "".join(f"{line}\n" for line in tracemalloc.take_snapshot().statistics("lineno")[:10])


def proc() -> Dir:
    """The tree; any program may mount it."""
    log = Log()
    logging.basicConfig(level=logging.INFO, handlers=[log], format="%(asctime)s %(levelname)s %(message)s")
    tracemalloc.start()
    logger.info("started")
    collect = action(lambda: logger.info("collected %d objects", gc.collect()))
    threads = DynamicDir(thread, lambda: [str(each.native_id) for each in threading.enumerate()])
    memory = {"traced": lambda: tracemalloc.get_traced_memory()[0], "top": top}
    collector = {"collect": collect, "counts": lambda: " ".join(map(str, gc.get_count()))}
    return Dir({"threads": threads, "gc": collector, "memory": memory, "log": lambda: iter([*log.lines])})


if __name__ == "__main__":
    fusetree.run(proc(), sys.argv[1])
