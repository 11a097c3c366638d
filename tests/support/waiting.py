"""Waits for what happens outside of the test's process, and has no event of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from support.pipes import DEADLINE


async def eventually(condition: Callable[[], Any] | Callable[[], Awaitable[Any]]) -> None:
    """Wait until a condition holds, of a file's size for instance."""
    async with asyncio.timeout(DEADLINE):
        while True:
            holds = condition()
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await asyncio.sleep(0.005)


def size(path: Path) -> int:
    """Return a file's size, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0
