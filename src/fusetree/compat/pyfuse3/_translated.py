"""How pyfuse3's handlers become ours: awaited, and no more at once than `main` was told."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from fusetree.compat._errors import FUSEError
from fusetree.compat._translating import Handler, Translated, answer, mistake
from fusetree.compat.pyfuse3._operations import Operations
from fusetree.lowlevel import PollHandle, RequestContext
from fusetree.server.operations import HANDLERS
from fusetree.types import ReadableBuffer


class Slots:
    """How many handlers may run at once; the others wait, first come, first served.  Used by the loop's
    thread only.
    """

    def __init__(self) -> None:
        self.free = 99
        self._waiting: deque[Any] = deque()
        self.event: Callable[[], Any] = lambda: None  # makes an event of the loop that serves

    def reset(self, count: int, event: Callable[[], Any]) -> None:
        """Begin to serve with *count* slots."""
        self.free = count
        self.event = event
        self._waiting.clear()

    async def wait(self) -> None:
        """Wait for a slot and take it."""
        event = self.event()
        self._waiting.append(event)
        try:
            await event.wait()
        except BaseException:  # cancelled
            if event in self._waiting:
                self._waiting.remove(event)
            else:
                self.release()
            raise

    def release(self) -> None:
        """Give a slot back, or on."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self.free += 1


class PyTranslated(Translated):
    """*operations* as the core takes it."""

    def __init__(self, operations: Any) -> None:
        super().__init__(operations, Operations)
        settings = vars(self)
        for name in ("supports_dot_lookup", "enable_writeback_cache", "enable_acl"):
            settings[name] = bool(getattr(operations, name))
        settings["atomic_o_trunc"] = True  # as libfuse3 has it unless told otherwise: open gets O_TRUNC
        self.slots = Slots()
        self.fill(HANDLERS, self._translate)

    def init(self) -> None:
        try:
            self.original.init()
        except FUSEError as error:
            raise answer(error) from None
        except OSError as error:
            raise mistake(error) from error

    def _translate(self, name: str, handler: Handler) -> Handler:
        slots = self.slots

        async def run(*arguments: Any) -> Any:
            if slots.free > 0:
                slots.free -= 1
            else:
                await slots.wait()
            try:
                result = handler(*arguments)
                if result is None:
                    return None  # a plain function that had nothing to say
                return await result
            except FUSEError as error:
                raise answer(error) from None
            except OSError as error:
                raise mistake(error) from error
            finally:
                slots.release()

        if name == "write":

            def write(fh: int, off: int, buf: ReadableBuffer) -> Awaitable[Any]:
                return run(fh, off, bytes(buf))  # a bytes object stays what it is

            return write
        if name == "poll":

            async def poll(
                inode: int, fh: int, events: int, handle: PollHandle | None, ctx: RequestContext
            ) -> int:
                return await run(inode, fh, handle, ctx) or 0

            return poll
        return run
