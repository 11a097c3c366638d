"""Places where SQLite cannot keep its promises: two names for one file, shared file systems."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import shared, timings
from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.modes import both_modes
from tenets_session_server.storage.sqlite import file_system

pytestmark = pytest.mark.asyncio


async def refused(client: Client, name: str) -> str:
    """Create a session, which has to be refused; return why."""
    with pytest.raises(ResponseError) as caught:
        await client.create(name)
    assert caught.value.data is not None
    assert caught.value.data["kind"] == "databaseUnavailable"
    return str(caught.value)


@both_modes
async def test_a_file_with_two_names_is_not_written(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    async with Client.opened(server_command) as client:
        await client.create("a")
        os.link(database, backup)
        message = await refused(client, "b")
        assert "has 2 names (hard links)" in message
        assert "copy a file instead of linking it" in message
        assert await client.names() == ["a"]
        async with Client.opened([*server_command, "--database", str(backup)]) as other:
            (warning,) = other.session_capability["warnings"]
            assert f"{backup} has 2 names" in warning
            await refused(other, "c")
        backup.unlink()
        await client.create("b")
        assert await client.names() == ["b", "a"]
    shared.stop(backup)


async def test_a_linked_file_that_would_have_to_be_migrated_is_opened_once_it_is_not(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    with ForeignWriter.on_new_file(database) as foreign:
        objects = foreign.objects()
    os.link(database, tmp_path / "backup.db")
    async with Client.opened(server_command) as client:
        (warning,) = client.session_capability["warnings"]
        assert "has 2 names" in warning
        await refused(client, "a")
        with ForeignWriter(database) as foreign:
            assert foreign.objects() == objects
        (tmp_path / "backup.db").unlink()
        await client.create("a")


def type_of(path: Path) -> str:
    """Return the type of the file system that a path is on."""
    every = Path("/proc/filesystems").read_text(encoding="ascii").split()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_system, "SHARED_FILE_SYSTEMS", {*every})
        found = file_system.shared_file_system(path)
    assert found is not None
    return found


@both_modes
@pytest.mark.own_daemon
async def test_a_shared_file_system_gets_a_rollback_journal(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    log = Path(f"{database}-wal")
    with timings.changed(SHARED_FILE_SYSTEMS=frozenset({type_of(tmp_path)})):
        async with Client.opened(server_command) as client:
            (warning,) = client.session_capability["warnings"]
            assert f"shared file system ({type_of(tmp_path)})" in warning
            await client.create("a")
            assert not log.exists()
            with ForeignWriter(database) as foreign:
                assert foreign.rows("PRAGMA journal_mode") == [("delete",)]
                foreign.create("theirs")
            assert (await client.next_change())["changes"]
            assert sorted(await client.names()) == ["a", "theirs"]
    shared.stop(database)
    # On a local disk again, and back: the journal is changed each time.
    async with Client.opened(server_command) as client:
        assert client.session_capability["warnings"] == []
        await client.create("b")
        assert log.exists()
    shared.stop(database)
    with timings.changed(SHARED_FILE_SYSTEMS=frozenset({type_of(tmp_path)})):
        async with Client.opened(server_command) as client:
            await client.create("c")
            assert not log.exists()
            assert sorted(await client.names()) == ["a", "b", "c", "theirs"]
