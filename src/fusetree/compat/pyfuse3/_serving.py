"""pyfuse3's main loop: the session, served by the loop that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fusetree.compat._errors import first_cause
from fusetree.compat.pyfuse3._translated import PyTranslated
from fusetree.lowlevel import Session, running_library


async def serve(session: Session, max_tasks: int, set_token: Callable[[Any], None]) -> None:
    """Serve until the session ended; see `pyfuse3.main`.

    :param set_token: called with trio's token, or "asyncio".
    """
    operations = session.operations
    assert isinstance(operations, PyTranslated)
    if running_library() == "trio":
        import trio

        set_token(trio.lowlevel.current_trio_token())
        operations.slots.reset(max_tasks, trio.Event)
        # What leaves it comes in a group, as what leaves pyfuse3's.
        async with trio.open_nursery():
            await _serve(session)
    else:
        import asyncio

        set_token("asyncio")
        operations.slots.reset(max_tasks, asyncio.Event)
        await _serve(session)


async def _serve(session: Session) -> None:
    try:
        await session.serve(close=False, cancel_handlers=False)
    except Exception as error:
        cause = first_cause(error)
        if cause is error:
            raise
        raise cause from None
