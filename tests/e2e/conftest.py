"""A server that several tests share."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.wire import Wire, notification


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    """One server that has to survive everything that is thrown at it, one test after the other."""
    database = tmp_path_factory.mktemp("shared") / "tenets.db"
    command = [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
    async with Wire.started(command) as wire:
        await wire.initialize()
        yield wire
        await wire.result("shutdown")
        await wire.send(notification("exit"))
        assert await wire.ended() == 0
        assert "Traceback" not in await wire.log()
