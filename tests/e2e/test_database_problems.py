"""Files that cannot be used: errors have a kind, a warning comes first, and the server goes on."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from support.client import Client
from support.foreign import ForeignWriter
from support.messages import Json
from support.modes import both_modes
from support.shared import stop

pytestmark = pytest.mark.asyncio

CREATE = "tenets/session.create"
ADD = "tenets/session.addContext"
LIST = "tenets/session.list"


def garbage(database: Path) -> str:
    database.parent.mkdir()
    database.write_bytes(b"no database at all, " * 1000)
    return "not a SQLite database"


def other_tables(database: Path) -> str:
    database.parent.mkdir()
    with ForeignWriter(database) as foreign:
        foreign.execute("CREATE TABLE sessions (user TEXT)")
    return "not a database of tenets"


def file_in_the_way(database: Path) -> str:
    database.parent.write_text("not a folder")
    return "cannot be created: Not a directory"


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (garbage, "databaseCorrupt"),
        (other_tables, "databaseCorrupt"),
        (file_in_the_way, "databaseUnavailable"),
    ],
)
async def test_a_file_that_cannot_be_used_is_reported_and_not_changed(
    server_command: list[str], database: Path, spoil: Any, kind: str
) -> None:
    expected = spoil(database)
    spoilt = database if database.exists() else database.parent
    before = spoilt.read_bytes()
    async with Client.started(server_command) as client:
        (warning,) = (await client.initialize())["warnings"]
        assert expected in warning
        for method, params in ((CREATE, {"name": "a"}), (LIST, {})):
            error = (await client.call(method, params))["error"]
            assert (error["code"], error["data"]) == (-32803, {"kind": kind, "retryable": False})
            assert expected in error["message"]
        client.end_input()
        assert await client.ended() == 1
        log = await client.log()
        assert f"{database}: " in log
        assert "Traceback" not in log
    assert spoilt.read_bytes() == before


@both_modes
async def test_a_database_that_comes_back_is_used_without_a_restart(
    server_command: list[str], database: Path
) -> None:
    file_in_the_way(database)
    async with Client.started(server_command) as client:
        await client.initialize()
        assert "error" in await client.call(CREATE, {"name": "a"})
        database.parent.unlink()
        assert (await client.result(CREATE, {"name": "a"}))["name"] == "a"
    assert database.exists()


@both_modes
async def test_a_lost_trigger_is_restored_with_one_warning(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        assert (await client.initialize())["warnings"] == []
    with ForeignWriter(database) as foreign:
        foreign.execute("DROP TRIGGER session_server_make_room_update")
    async with Client.started(server_command) as client:
        (warning,) = (await client.initialize())["warnings"]
        assert "session_server_make_room_update" in warning
        client.end_input()
        await client.ended()
        assert warning in await client.log()
    async with Client.started(server_command) as client:
        assert (await client.initialize())["warnings"] == []


@both_modes
async def test_many_servers_start_on_a_new_file_at_once(server_command: list[str]) -> None:
    async def start(number: int) -> Json:
        async with Client.started(server_command) as client:
            capability = await client.initialize()
            await client.result(ADD, {"sessionName": "s", "kind": "k", "content": str(number)})
            client.end_input()
            assert await client.ended() == 1
            assert await client.log() == ""
            return capability

    capabilities = await asyncio.gather(*map(start, range(4)))
    assert [capability["warnings"] for capability in capabilities] == [[]] * 4


def without_privileges(command: list[str]) -> list[str]:
    """Return a command that file permissions bind, even where the tests run as root."""
    if os.getuid() != 0:
        return command
    # prctl(2): PR_CAPBSET_DROP of CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER
    program = (
        "import ctypes, os, sys\n"
        "for capability in (1, 2, 3):\n"
        "    assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", program, *command]


@both_modes
@pytest.mark.own_daemon
async def test_a_read_only_file_is_read(server_command: list[str], database: Path) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result(CREATE, {"name": "a", "active": True})
        database.chmod(0o400)
        async with Client.started(without_privileges(server_command)) as reader:
            (warning,) = (await reader.initialize())["warnings"]
            assert "cannot be written" in warning
            active = await reader.result("tenets/session.getActive")
            assert active["name"] == "a"
            for method, params in (
                (CREATE, {"name": "b"}),
                ("tenets/session.delete", {"name": "a"}),
                (ADD, {"sessionName": "a", "kind": "k", "content": "c"}),
            ):
                error = (await reader.call(method, params))["error"]
                assert error["data"] == {"kind": "databaseReadOnly", "retryable": False}
            assert await reader.result("tenets/session.getActive") == active


@both_modes
@pytest.mark.own_daemon
async def test_a_file_that_may_be_written_again_is_written(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.create("a")
        await client.leave()
    stop(database)
    database.chmod(0o400)
    async with Client.started(without_privileges(server_command)) as client:
        (warning,) = (await client.initialize())["warnings"]
        assert "cannot be written" in warning
        for mode in (0o600, 0o400, 0o600):
            database.chmod(mode)
            assert await client.names() == ["a"]
        assert (await client.result(CREATE, {"name": "b"}))["name"] == "b"
        async with Client.started(without_privileges(server_command)) as other:
            assert (await other.initialize())["warnings"] == []
            assert (await other.result(CREATE, {"name": "c"}))["name"] == "c"


@both_modes
@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
async def test_a_pipe_beside_the_database_does_not_stop_it(
    server_command: list[str], database: Path, suffix: str
) -> None:
    database.parent.mkdir()
    pipe = database.with_name(database.name + suffix)
    os.mkfifo(pipe)
    async with Client.started(server_command) as client:
        (warning,) = (await client.initialize())["warnings"]
        assert f"{pipe} is no regular file" in warning
        pipe.unlink()
        await client.create("a")


async def test_a_pipe_is_no_database(server_command: list[str], database: Path) -> None:
    database.parent.mkdir()
    os.mkfifo(database)
    async with Client.started(server_command) as client:
        (warning,) = (await client.initialize())["warnings"]
        assert f"{database} is no regular file" in warning


async def test_the_target_of_a_dangling_link_is_created(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    database.parent.mkdir()
    database.symlink_to(tmp_path / "other disk" / "real.db")
    async with Client.started(server_command) as one, Client.started(server_command) as two:
        assert (await one.initialize())["warnings"] == []
        await one.result(CREATE, {"name": "a"})
        await two.initialize(initializationOptions={"notifications": True})
        await one.result(CREATE, {"name": "b"})
        assert (await two.read())["params"]["changes"][0]["sessionName"] == "b"
    assert (tmp_path / "other disk" / "real.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("name", "works"), [("ü x.db", True), (b"\xff.db", False)])
async def test_paths_beyond_ascii_in_any_locale(
    server_command: list[str], tmp_path: Path, name: str | bytes, works: bool
) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [*server_command, "--database", str(tmp_path / os.fsdecode(name))]
    async with Client.started(command, env={**os.environ, **ascii_only}) as client:
        capability = await client.initialize()
        if works:
            assert capability["database"] == str(tmp_path / os.fsdecode(name))
            assert (await client.result(CREATE, {"name": "a"}))["name"] == "a"
        else:
            assert capability["database"] == f"{tmp_path}/\\xff.db"
            error = (await client.call(CREATE, {"name": "a"}))["error"]
            assert error["data"] == {"kind": "databaseUnavailable", "retryable": False}
            assert "\\xff.db is not UTF-8" in error["message"]


@pytest.mark.own_daemon
async def test_a_folder_that_cannot_be_created_is_reported(
    server_command: list[str], database: Path
) -> None:
    database.parent.parent.chmod(0o500)
    async with Client.started(without_privileges(server_command)) as client:
        (warning,) = (await client.initialize())["warnings"]
        assert "Permission denied" in warning
        error = (await client.call(CREATE, {"name": "b"}))["error"]
        assert error["data"] == {"kind": "databaseUnavailable", "retryable": False}
    database.parent.parent.chmod(0o700)


async def test_a_folder_that_cannot_be_written_is_named(
    server_command: list[str], database: Path
) -> None:
    async with Client.started([*server_command, "--standalone"]) as client:
        await client.initialize()
        await client.result(CREATE, {"name": "a"})
        client.end_input()
        await client.ended()
    database.parent.chmod(0o500)
    try:
        command = without_privileges([*server_command, "--standalone"])
        async with Client.started(command) as client:
            (warning,) = (await client.initialize())["warnings"]
            assert f"{database.parent} may not be written" in warning
            assert "SQLite has to write beside the file even to read it" in warning
    finally:
        database.parent.chmod(0o700)


async def test_a_path_that_is_too_long_for_sqlite_is_reported(
    server_command: list[str], tmp_path: Path
) -> None:
    folder = tmp_path.joinpath(*["d" * 100] * 5)
    async with Client.started([*server_command, "--database", str(folder / "x.db")]) as client:
        (warning,) = (await client.initialize())["warnings"]
        assert "is longer than the" in warning
        assert "bytes that SQLite can open" in warning
