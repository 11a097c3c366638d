"""Disks that fail while the server runs. Needs Linux: prlimit(2), and mounting in a namespace."""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import shared
from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.messages import INITIALIZE, frame, notification, request
from support.people import COMMAND, Person
from support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.asyncio]

ADD = "tenets/session.addContext"
LIST = "tenets/session.list"


def on_a_small_disk(command: list[str], database: Path) -> list[str]:
    """Return the command, on a file system of 400 KiB that only it sees (unshare(1))."""
    database.parent.mkdir()
    script = 'mount -t tmpfs -o size=400k tmpfs "$1" && shift && exec "$@"'
    return ["unshare", "-rm", "sh", "-c", script, "sh", str(database.parent), *command]


@contextlib.contextmanager
def a_log_that_cannot_grow(server: int, database: Path) -> Iterator[None]:
    """Make an I/O error of what only the commit does."""
    unlimited = resource.prlimit(server, resource.RLIMIT_FSIZE)
    size = Path(f"{database}-wal").stat().st_size
    resource.prlimit(server, resource.RLIMIT_FSIZE, (size, unlimited[1]))
    yield
    resource.prlimit(server, resource.RLIMIT_FSIZE, unlimited)


async def test_a_full_disk_is_an_error_and_the_server_recovers(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(on_a_small_disk(server_command, database)) as client:
        assert (await client.initialize())["warnings"] == []
        note = {"sessionName": "s", "kind": "k", "content": "x" * 20_000}
        written = 0
        while "error" not in (reply := await client.call(ADD, note)):
            written += 1
            assert written < 20, "the disk is not as small as it should be"
        error = reply["error"]
        assert (error["code"], error["data"]["kind"]) == (-32803, "databaseFull")
        listed = await client.result(LIST, {"includeContextCount": True})
        assert listed["sessions"][0]["contextCount"] == written
        # Deleting needs some room for the log too; what was acknowledged is there either way.
        assert "result" in await client.call("tenets/session.get", {"name": "s"})
        client.end_input()
        await client.ended()
        assert "Traceback" not in await client.log()


@pytest.mark.timings(FIRST_LOOK=0.1, LOOK_INTERVAL=0.1)
@pytest.mark.own_daemon
async def test_a_disk_without_room_for_a_backup_is_told_once(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(on_a_small_disk(server_command, database)) as client:
        await client.initialize(initializationOptions=None)
        await client.create("a")
        shown = await client.until_shown("No backup of your sessions could be made")
        assert "bytes left" in shown["message"]
        log = Path(shared.report(database)["log"])
        await eventually(lambda: log.read_text().count("no backup could be made") > 2)
        await client.add_note("a", "written all the same")
        assert len(client.shown) == 1
        client.end_input()
        await client.ended()


async def test_on_a_full_disk_each_write_of_a_group_fails_separately(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(on_a_small_disk(server_command, database)) as client:
        await client.initialize()
        note = {"sessionName": "s", "kind": "k", "content": "x" * 20_000}
        await client.send(*[request(number, ADD, note) for number in range(30)])
        replies = [await client.read() for _ in range(30)]
        assert [reply["id"] for reply in replies] == list(range(30))
        written = [reply for reply in replies if "result" in reply]
        kinds = {reply["error"]["data"]["kind"] for reply in replies if "error" in reply}
        assert kinds == {"databaseFull"}
        assert written, "those that fit are kept"
        listed = await client.result(LIST, {"includeContextCount": True})
        assert listed["sessions"][0]["contextCount"] == len(written)
        client.end_input()
        await client.ended()
        assert "Traceback" not in await client.log()


async def test_a_commit_for_many_that_fails_half_way_claims_nothing_for_any(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result(ADD, {"sessionName": "s", "kind": "k", "content": "before"})
        server = await client.served_by()
        note = {"sessionName": "s", "kind": "k", "content": "x" * 1000}
        with a_log_that_cannot_grow(server, database):
            await client.send(*[request(number, ADD, note) for number in range(20)])
            replies = [await client.read() for _ in range(20)]
        assert [reply["id"] for reply in replies] == list(range(20))
        data = {"kind": "outcomeUnknown", "retryable": False}
        assert [reply["error"]["data"] for reply in replies] == [data] * 20
        await client.result(ADD, {"sessionName": "s", "kind": "k", "content": "after"})
        client.end_input()
        await client.ended()
    with ForeignWriter(database) as foreign:
        contents = foreign.contents()
        assert foreign.integrity() == "ok"
    assert contents[0] == "before"
    assert contents[-1] == "after"


async def test_a_commit_that_fails_half_way_claims_nothing(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result(ADD, {"sessionName": "s", "kind": "k", "content": "before"})
        server = await client.served_by()
        large = {"sessionName": "s", "kind": "k", "content": "x" * 100_000}
        with a_log_that_cannot_grow(server, database):
            error = (await client.call(ADD, large))["error"]
        assert error["code"] == -32803
        assert error["data"] == {"kind": "outcomeUnknown", "retryable": False}
        await client.result(ADD, {"sessionName": "s", "kind": "k", "content": "after"})
        listed = await client.result(LIST, {"includeContextCount": True})
        count = listed["sessions"][0]["contextCount"]
        client.end_input()
        await client.ended()
        assert "Traceback" not in await client.log()
    with ForeignWriter(database) as foreign:
        contents = foreign.contents()
        assert foreign.integrity() == "ok"
    assert count in {2, 3}
    assert contents[0] == "before"
    assert len(contents) == count
    assert contents[-1] == "after"


async def test_a_file_that_is_mounted_without_its_folder_is_not_written(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    async with Client.opened([*server_command, "--standalone"]) as client:
        await client.create("a")
    inside = tmp_path / "container" / "tenets.db"
    inside.parent.mkdir()
    inside.touch()
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    mounted = ["unshare", "-rm", "sh", "-c", script, "sh", str(database), str(inside)]
    options = ["--standalone", "--database", str(inside)]
    async with Client.opened([*mounted, *server_command, *options]) as client:
        (warning,) = client.session_capability["warnings"]
        assert f"{inside} is mounted by itself, without its folder" in warning
        with pytest.raises(ResponseError, match="mount the folder instead of the file"):
            await client.create("b")
        assert await client.names() == ["a"]


async def test_a_database_on_a_read_only_file_system_can_be_read(
    server_command: list[str], tmp_path: Path
) -> None:
    inside = tmp_path / "disk"
    inside.mkdir()
    script = """folder=$1 && shift && mount -t tmpfs tmpfs "$folder" &&
        "$@" <"$folder.input" >/dev/null && mount -o remount,ro "$folder" && exec "$@" """
    first = frame(INITIALIZE) + frame(request(1, "tenets/session.create", {"name": "a"}))
    rest = frame(request(2, "shutdown")) + frame(notification("exit"))
    Path(f"{inside}.input").write_bytes(first + rest)
    own = [*server_command, "--standalone", "--database", str(inside / "tenets.db")]
    async with Client.opened(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(inside), *own]
    ) as client:
        assert await client.names() == ["a"]
        (warning,) = client.session_capability["warnings"]
        assert "cannot be written" in warning
        with pytest.raises(ResponseError) as caught:
            await client.create("b")
        assert caught.value.data is not None
        assert caught.value.data["kind"] == "databaseReadOnly"


async def test_a_message_that_memory_is_lacking_for_ends_the_connection(
    server_command: list[str],
) -> None:
    async with Client.started([*server_command, "--standalone"]) as client:
        await client.initialize()
        pid = client.process.pid
        size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (size + 4_000_000, resource.RLIM_INFINITY))
        note = {"sessionName": "s", "kind": "k", "content": "x" * 15_000_000}
        with contextlib.suppress(ConnectionError):
            await client.send(request(900, ADD, note))
        assert await client.ended() == 1  # the log's thread may find no memory, either


@pytest.mark.usefixtures("server_command")
async def test_recovering_without_room_says_so_and_changes_nothing(
    database: Path, tmp_path: Path
) -> None:
    person = Person(database, tmp_path / "app")
    person.does("note", "-", "--session", "a", given="x" * 200_000)
    small = tmp_path / "small"
    small.mkdir()
    recover = shlex.join(
        [str(COMMAND), "--database", f"{small}/tenets.db", "recover", "--salvage", "--yes"]
    )
    script = f"""
        mount -t tmpfs -o size=600k tmpfs {small}
        cp {database} {small}/tenets.db
        dd if=/dev/zero of={small}/tenets.db bs=16 count=1 conv=notrunc 2>/dev/null
        sha256sum {small}/tenets.db
        {recover}
        echo status $?
        sha256sum {small}/tenets.db
    """
    done = await asyncio.to_thread(
        subprocess.run,
        ["unshare", "-rm", "sh", "-c", script],
        env=person.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    before, status, after = done.stdout.splitlines()
    assert (status, before) == ("status 1", after)
    (sentence,) = done.stderr.splitlines()
    assert re.search("full|No space left|bytes left", sentence), sentence
    assert "internal error" not in sentence
