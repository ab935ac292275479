"""Tasks beside each other, of which the first to end ends the others."""

from __future__ import annotations

import asyncio
from typing import Any


async def first_done(*tasks: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait until one of the tasks is done, or for so many seconds; then cancel the rest and wait until they have ended.

    They are cancelled too when the waiting itself is. How each task ended is to be asked of the task.
    """
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
