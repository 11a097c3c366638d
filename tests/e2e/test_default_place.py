"""Where the database is by default, and what becomes of the one of earlier versions."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support import shared
from support.client import Client
from support.foreign import INSERT, NOW, ForeignWriter
from support.modes import OPTIONS
from support.waiting import eventually

pytestmark = pytest.mark.asyncio

COMMAND = [sys.executable, "-m", "tenets_session_server"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own."""
    found = tmp_path / "home"
    found.mkdir()
    monkeypatch.setenv("HOME", str(found))
    for variable in ("XDG_CACHE_HOME", "TENETS_CACHE_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    return found


@pytest.fixture
def default(home: Path) -> Iterator[Path]:
    """The default database."""
    found = home / ".tenets" / "cache" / "tenets.db"
    yield found
    shared.stop(found)


@pytest.fixture
def former(home: Path) -> Path:
    """The default database of earlier versions."""
    found = home / ".cache" / "tenets" / "tenets.db"
    found.parent.mkdir(parents=True)
    return found


@pytest.fixture(params=OPTIONS)
def command(request: pytest.FixtureRequest) -> list[str]:
    """The command without a database, in both modes."""
    return [*COMMAND, *OPTIONS[request.param]]


@contextlib.asynccontextmanager
async def on_former(former: Path) -> AsyncIterator[Client]:
    """Serve the former database, as an earlier version does."""
    async with Client.opened([*COMMAND, "--standalone", "--database", str(former)]) as client:
        yield client


async def fill(former: Path, name: str = "fix login") -> None:
    async with on_former(former) as client:
        await client.add_note(name, "The token is refreshed twice.")
        await client.activate(name)


async def test_the_default_is_the_place_of_the_tenets_command_line(
    command: list[str], home: Path, default: Path
) -> None:
    async with Client.opened(command) as client:
        capability = client.session_capability
        assert capability["database"] == str(default)
        assert capability["databaseReason"] == "the default"
        await client.create("a")
    assert stat.S_IMODE(default.stat().st_mode) == 0o600
    assert stat.S_IMODE(default.parent.stat().st_mode) == 0o700
    assert not (home / ".cache" / "tenets").exists()


@pytest.mark.parametrize("prepared", ["missing", "empty", "tables only"])
async def test_a_former_database_is_moved_to_the_default_place(
    command: list[str], default: Path, former: Path, prepared: str
) -> None:
    await fill(former)
    if prepared != "missing":
        default.parent.mkdir(parents=True)
        default.touch()
    if prepared == "tables only":  # as `tenets session list` leaves it
        with ForeignWriter(default) as foreign:
            foreign.create_tables()
    async with Client.opened(command) as client:
        (news,) = client.session_capability["warnings"]
        renamed = former.with_name("tenets.db.moved")
        counts = "1 session, 1 context entries"
        assert f"({counts}) have been moved from {former} to {default}" in news
        assert str(renamed) in news
        assert await client.active_name() == "fix login"
        page = await client.session("list", includeContextCount=True)
        assert page["sessions"][0]["contextCount"] == 1
    assert renamed.exists()
    assert not former.exists()
    async with Client.opened(command) as client:
        assert client.session_capability["warnings"] == []
        assert client.session_capability["database"] == str(default)
    assert stat.S_IMODE(default.stat().st_mode) == 0o600


async def test_a_former_database_that_is_open_elsewhere_is_used_where_it_is(
    command: list[str], default: Path, former: Path
) -> None:
    async with on_former(former) as other:
        await other.create("a")
        async with Client.opened(command) as client:
            capability = client.session_capability
            assert capability["database"] == str(former)
            assert capability["databaseReason"] == "the default of earlier versions"
            assert "another process has it open" in capability["warnings"][0]
            await client.create("b")
            assert await other.names() == ["b", "a"]
    assert not default.exists()
    shared.stop(default)
    async with Client.opened(command) as client:
        assert client.session_capability["database"] == str(default)
        assert await client.names() == ["b", "a"]


async def test_two_databases_with_sessions_are_left_as_they_are(
    command: list[str], default: Path, former: Path
) -> None:
    await fill(former)
    with ForeignWriter.on_new_file(default) as foreign:
        foreign.execute(INSERT, ("other", NOW, "{}"))
    async with Client.opened(command) as client:
        (warning,) = client.session_capability["warnings"]
        assert f"{default} (1 session, 0 context entries) is used" in warning
        assert f"{former} (1 session, 1 context entries)" in warning
        assert f"--database {former}" in warning
        assert await client.names() == ["other"]
    async with on_former(former) as client:
        assert await client.names() == ["fix login"]


async def test_a_move_that_was_broken_off_is_finished(default: Path, former: Path) -> None:
    await fill(former)
    async with Client.opened(COMMAND):
        pass
    former.with_name("tenets.db.moved").rename(former)  # the last step, undone
    shared.stop(default)
    async with Client.opened(COMMAND) as client:
        assert client.session_capability["warnings"] == []
        assert await client.names() == ["fix login"]
    assert not former.exists()


async def test_a_former_database_that_cannot_be_read_is_reported(
    command: list[str], default: Path, former: Path
) -> None:
    former.write_bytes(b"not a database" * 100)
    async with Client.opened(command) as client:
        (warning,) = client.session_capability["warnings"]
        assert f"{former}, could not be moved" in warning
        await client.create("a")
    assert default.exists()
    assert former.read_bytes() == b"not a database" * 100


async def test_starts_at_once_move_a_former_database_once(default: Path, former: Path) -> None:
    await fill(former)
    async with contextlib.AsyncExitStack() as stack:
        direct = [*COMMAND, "--standalone"]
        starts = [stack.enter_async_context(Client.opened(direct)) for _ in range(4)]
        clients = await asyncio.gather(*starts)
        for client in clients:
            assert client.session_capability["database"] == str(default)
            assert await client.names() == ["fix login"]
        warnings = [one for client in clients for one in client.session_capability["warnings"]]
        assert len(warnings) == 1
    assert [path.name for path in former.parent.iterdir()] == ["tenets.db.moved"]


async def test_what_is_written_to_the_default_place_meanwhile_stays(
    default: Path, former: Path
) -> None:
    await fill(former)
    inode = f":{former.stat().st_ino} "
    with ForeignWriter.on_new_file(default) as foreign, foreign.transaction():
        foreign.execute(INSERT, ("new", NOW, "{}"))
        async with Client.started([*COMMAND, "--standalone"]) as client:
            started = asyncio.ensure_future(client.initialize())
            await eventually(lambda: inode in Path("/proc/locks").read_text())
            foreign.execute("COMMIT")
            foreign.execute("BEGIN")
            capability = await started
            assert "Two databases have sessions" in capability["warnings"][0]
            assert await client.names() == ["new"]
            await client.leave()
    async with on_former(former) as client:
        assert await client.names() == ["fix login"]


@pytest.mark.timings(ADOPTION_TIMEOUT=0.2)
async def test_a_former_database_that_is_locked_is_used_where_it_is(
    command: list[str], default: Path, former: Path
) -> None:
    await fill(former)
    with ForeignWriter(former) as foreign:
        foreign.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        foreign.execute("BEGIN IMMEDIATE; COMMIT")
        async with Client.started(command) as client:
            capability = await client.initialize()
            assert capability["database"] == str(former)
            foreign.connection.close()
            assert await client.names() == ["fix login"]
            await client.leave()
    assert not default.exists()


@pytest.mark.timings(ADOPTION_TIMEOUT=0.2)
async def test_a_lock_on_the_former_folder_delays_a_start_for_a_while_only(
    command: list[str], default: Path, former: Path
) -> None:
    await fill(former)
    descriptor = os.open(former.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        async with Client.opened(command) as client:
            assert client.session_capability["database"] == str(default)
    finally:
        os.close(descriptor)
    shared.stop(default)
    async with Client.opened(command) as client:
        assert await client.names() == ["fix login"]


async def test_the_daemon_looks_for_the_database_again_when_it_was_in_the_former_place(
    default: Path, former: Path
) -> None:
    async with on_former(former) as other:
        await other.create("a")
        async with Client.opened(COMMAND) as client:
            assert client.session_capability["database"] == str(former)
    async with Client.opened([*COMMAND, "--standalone"]) as client:
        assert client.session_capability["database"] == str(default)
    async with Client.opened(COMMAND) as client:
        assert client.session_capability["database"] == str(default)
        assert await client.names() == ["a"]
        assert client.session_capability["warnings"] == []
    assert not former.exists()


async def test_a_changed_copy_in_the_default_place_is_not_taken_for_a_finished_move(
    default: Path, former: Path
) -> None:
    await fill(former)
    default.parent.mkdir(parents=True)
    with ForeignWriter(former) as foreign:
        foreign.copy_to(default)
        foreign.execute("UPDATE sessions SET metadata = '{\"issue\": 2}'")
    async with Client.opened(COMMAND) as client:
        assert "Two databases have sessions" in client.session_capability["warnings"][0]
    with ForeignWriter(former) as foreign:
        assert foreign.rows("SELECT metadata FROM sessions") == [('{"issue": 2}',)]


async def test_what_was_deleted_is_not_moved_and_no_id_is_given_twice(
    default: Path, former: Path
) -> None:
    async with on_former(former) as client:
        await client.add_note("a", "x")
        await client.add_note("b", "y")
        await client.call("delete", {"name": "b"})
    with ForeignWriter(former) as foreign:  # as a server leaves it that is killed meanwhile
        foreign.execute(
            "INSERT INTO session_context (session_id, kind, content, created_at)"
            " VALUES (2, 'note', 'y', '')"
        )
        foreign.execute("INSERT INTO session_server_purges (session_id, last_entry) VALUES (2, 9)")
    async with Client.opened(COMMAND) as client:
        assert (await client.create("c"))["id"] == 3
        assert (await client.session("stats"))["contextEntries"] == 1
    with ForeignWriter(default) as foreign:
        assert foreign.contents() == ["x"]


async def test_files_that_others_can_read_become_private(
    command: list[str], default: Path, former: Path
) -> None:
    await fill(former)
    default.parent.mkdir(parents=True)
    for suffix in ("", "-wal", "-shm"):
        path = Path(f"{default}{suffix}")
        path.touch()
        path.chmod(0o644)
    async with Client.opened(command) as client:
        await client.create("a")
        for path in default.parent.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
