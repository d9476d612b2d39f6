"""Settings of a running program, steered from the shell; what makes no sense is refused at once.

python examples/live_settings.py MNT

grep . MNT/*                              all of them
echo 0.2 > MNT/interval                   counts from the next tick on
echo loud > MNT/level                     Invalid argument: the old level stays
echo '["disk", "net"]' > MNT/watch.json   a list, as JSON
echo no > MNT/running                     pauses
echo lunch > MNT/reset                    something to do, rather than to set
getfattr -n user.doc MNT/interval         what it means
"""

import logging
import sys
import threading
import time

import attrs

import fusetree
from fusetree import Dir, action, entry, node

logger = logging.getLogger("ticker")
LEVELS = ["DEBUG", "INFO", "WARNING"]


@node
class Settings(Dir):
    """An ordinary attrs class: its fields are files, and the program uses them as attributes."""

    interval: float = entry(1.0, validator=attrs.validators.gt(0), doc="Seconds between two ticks")
    level: str = entry("INFO", validator=attrs.validators.in_(LEVELS), doc="What is logged")
    watch: list[str] = entry(factory=lambda: ["cpu"], name="watch.json", doc="What each tick looks at")
    token: str = entry("", mode=0o200, doc="A secret: it can be set, and not read")
    running: bool = entry(True, doc="Whether it ticks")
    ticks: int = entry(0, writable=False, doc="How many there were")

    @action
    def reset(self, reason: str) -> None:
        """Count from zero again."""
        logger.warning("reset: %s", reason)
        self.ticks = 0


def tick(settings: Settings) -> None:
    """What the program is really for: it uses each setting as soon as it is written."""
    while True:
        if settings.running:
            logger.setLevel(settings.level)
            logger.info("tick %d: %s, all is well", settings.ticks, ", ".join(settings.watch))
            settings.ticks += 1
        time.sleep(settings.interval)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    threading.Thread(target=tick, args=[settings := Settings()], daemon=True).start()
    fusetree.run(settings, sys.argv[1])
