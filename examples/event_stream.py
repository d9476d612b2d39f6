"""What happens in a program, as files to follow: while it works, `tail -f` shows its events as they come.

python examples/event_stream.py MNT [SECONDS]

    tail -f MNT/events                      the last events, and those to come
    cat MNT/errors                          the errors so far
    grep --line-buffered done MNT/follow    a read at the end waits for more; poll(2) works
    echo "coffee break" > MNT/note          an event of yours
"""

import itertools
import json
import logging
import sys
import threading
import time

import fusetree
from fusetree import Stream, action

logger = logging.getLogger("shop")


class AsJson(logging.Formatter):
    """One line of JSON for each event."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"at": record.created, "level": record.levelname, "what": record.getMessage()})


def events_of(name: str, level: int) -> Stream:
    """The events of a logger, from a level on."""
    stream = Stream(history=256 * 1024)
    handler = logging.StreamHandler(stream)
    handler.setLevel(level)
    handler.setFormatter(AsJson())
    logging.getLogger(name).addHandler(handler)
    return stream


def work(pause: float) -> None:
    """What the program is really for."""
    for number in itertools.count(1):
        logger.info("order %d came", number)
        time.sleep(pause)
        if number % 5:
            logger.info("order %d done", number)
        else:
            logger.error("order %d failed", number)


if __name__ == "__main__":
    logger.setLevel(logging.INFO)
    events, errors = events_of("shop", logging.INFO), events_of("shop", logging.ERROR)
    note = action(lambda text: logger.info("note: %s", text))
    pause = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    threading.Thread(target=work, args=(pause,), daemon=True).start()
    tree = {"events": events, "follow": events.follower(), "errors": errors, "note": note}
    fusetree.run(tree, sys.argv[1])
