# cython: language_level=3
"""libfuse's own log lines, into ``logging`` and into the text of the error that they explain.

libfuse writes the reason of a failed mount to its log only.  The hook is one per process
(``fuse_set_log_func``), so it is set when this module is imported; lines are also kept for the thread that
collects them (see :func:`collect`), because a mount runs in one thread.
"""

import logging
import threading
from contextlib import contextmanager

logger = logging.getLogger("fusetree.libfuse")
_collecting = threading.local()

# fuse_log.h counts as syslog(3) does.
_LEVELS = (
    logging.CRITICAL, logging.CRITICAL, logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO,
    logging.INFO, logging.DEBUG,
)

cdef extern from *:
    """
    #include "compat.h"
    #include <stdarg.h>
    #include <stdio.h>
    static void (*ft_log_line)(int level, const char *line);
    static void ft_log(enum fuse_log_level level, const char *fmt, va_list ap)
    {
        char line[1024];
        vsnprintf(line, sizeof line, fmt, ap);
        ft_log_line((int)level, line);
    }
    static void ft_log_install(void (*func)(int, const char *))
    {
        ft_log_line = func;
        fuse_set_log_func(ft_log);
    }
    """
    void ft_log_install(void (*func)(int level, const char *line) noexcept with gil)


cdef void on_line(int level, const char *line) noexcept with gil:
    try:
        text = line.decode("utf-8", "replace").rstrip("\n")
        lines = getattr(_collecting, "lines", None)
        if lines is not None:
            lines.append(text)
        if lines is None or _collecting.too:
            logger.log(_LEVELS[level] if 0 <= level < len(_LEVELS) else logging.ERROR, "%s", text)
    except Exception:
        logger.exception("a log line of libfuse was lost")


@contextmanager
def collect():
    """Collect the lines that libfuse logs in this thread into a list, instead of logging them."""
    with _keeping(too=False) as lines:
        yield lines


@contextmanager
def listen():
    """Collect the lines that libfuse logs in this thread into a list, besides logging them."""
    with _keeping(too=True) as lines:
        yield lines


@contextmanager
def _keeping(too):
    _collecting.lines = lines = []
    _collecting.too = too
    try:
        yield lines
    finally:
        _collecting.lines = None


ft_log_install(on_line)
