"""Editors in sandboxes and containers, beside others that are not (Linux, as root)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import sandbox, shared
from support.client import Client, ResponseError
from tenets_session_server.daemon.address import FOLDER

pytestmark = [pytest.mark.faults, pytest.mark.asyncio]


@pytest.fixture
def sandboxed(server_command: list[str], database: Path) -> list[str]:
    """The command in a sandbox that may not write to the database's folder."""
    return sandbox.command(database.parent, server_command)


async def refused(client: Client) -> None:
    with pytest.raises(ResponseError) as caught:
        await client.create("not allowed")
    assert caught.value.data is not None
    assert caught.value.data["kind"] in {"databaseReadOnly", "databaseUnavailable"}


async def test_a_sandboxed_editor_does_not_write_through_the_daemon(
    server_command: list[str], sandboxed: list[str]
) -> None:
    async with Client.started(server_command) as free:
        await free.initialize()
        await free.create("a")
        async with Client.started(sandboxed) as confined:
            await confined.initialize()
            assert await confined.served_by() != await free.served_by()
            assert await confined.names() == ["a"]
            await refused(confined)
            await confined.leave()
        await free.create("b")
        await free.leave()


async def test_a_sandboxed_first_editor_makes_no_other_read_only(
    server_command: list[str], sandboxed: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.create("a")
        await client.leave()
    shared.stop(database)
    async with Client.started(sandboxed) as confined:
        await confined.initialize()
        async with Client.started(server_command) as free:
            await free.initialize()
            assert await free.served_by() not in {free.process.pid, await confined.served_by()}
            await free.create("b")
            await refused(confined)
            assert await confined.names() == ["b", "a"]
            await free.leave()
        await confined.leave()


async def test_a_sandboxed_editor_creates_no_database_through_the_daemon(
    sandboxed: list[str], database: Path
) -> None:
    database.parent.mkdir(parents=True)
    async with Client.started(sandboxed) as confined:
        capability = await confined.initialize()
        assert capability["warnings"]
        await refused(confined)
        await confined.leave()
    assert not database.exists()


async def test_a_container_has_a_daemon_of_its_own(server_command: list[str]) -> None:
    sockets = Path(os.environ["XDG_RUNTIME_DIR"]) / FOLDER
    inside = ["unshare", "--pid", "--fork", "--kill-child", *server_command]
    before = set(sockets.glob("*.sock"))
    async with Client.started(server_command) as outer:
        async with Client.started(inside) as inner:
            await inner.initialize()
            await inner.create("a")
            await outer.initialize()
            assert len(set(sockets.glob("*.sock")) - before) == 2
            inner.process.kill()  # and with it all that is in the container
        assert await outer.names() == ["a"]
        await outer.create("b")
        await outer.leave()
