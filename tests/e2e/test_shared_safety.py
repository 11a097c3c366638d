"""An editor is served even if the daemon cannot be trusted, or does not answer.

Its own command serves it, with one warning in the log, and nothing of its input is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import shared, timings
from support.client import Client
from support.messages import INITIALIZE, request
from tenets_session_server.daemon import control
from tenets_session_server.daemon.address import FOLDER, Address, bind

pytestmark = pytest.mark.asyncio

STATS = "tenets/session.stats"
CREATE = "tenets/session.create"


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``$XDG_RUNTIME_DIR`` of one's own, and a home folder."""
    found = tmp_path / "runtime"
    found.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(found))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "home").mkdir()
    return found


@pytest.fixture
def sockets(runtime: Path) -> Path:
    """The folder of the sockets."""
    found = runtime / FOLDER
    found.mkdir(mode=0o700)
    return found


@contextlib.contextmanager
def stopped_in_the_end(folder: Path, database: Path) -> Iterator[None]:
    try:
        yield
    finally:
        shared.stop(database, folder)


async def is_served_alone(command: list[str], why: str) -> None:
    """Hold a whole conversation, all of it sent at once."""
    async with Client.started(command) as client:
        await client.send(
            INITIALIZE,
            *[request(number, CREATE, {"name": f"s{number}"}) for number in range(20)],
            request("stats", STATS),
        )
        client.end_input()
        replies = [await client.read() for _ in range(22)]
        assert [reply["id"] for reply in replies] == ["initialize", *range(20), "stats"]
        assert replies[-1]["result"]["pid"] == client.process.pid
        assert await client.ended() == 1
        (line,) = (await client.log()).splitlines()
        assert "WARNING" in line
        assert "serving this editor in direct mode" in line
        assert why in line, line


async def is_shared(command: list[str]) -> int:
    """Return the daemon that serves this command."""
    async with Client.started(command) as client:
        await client.initialize()
        pid = await client.served_by()
        assert pid != client.process.pid
        assert await client.leave() == 0
        assert await client.log() == ""
    return pid


async def test_the_socket_is_private(
    shared_command: list[str], runtime: Path, database: Path
) -> None:
    previous = os.umask(0)
    try:
        with stopped_in_the_end(runtime / FOLDER, database):
            await is_shared(shared_command)
            modes = {
                path.name.rpartition(".")[2]: stat.S_IMODE(path.lstat().st_mode)
                for path in (runtime / FOLDER, *(runtime / FOLDER).iterdir())
            }
    finally:
        os.umask(previous)
    assert modes == {FOLDER: 0o700, "sock": 0o600, "lock": 0o600}


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o720])
async def test_a_runtime_folder_that_others_can_write_to_is_not_used(
    shared_command: list[str], runtime: Path, database: Path, tmp_path: Path, mode: int
) -> None:
    runtime.chmod(mode)
    instead = tmp_path / "home" / ".cache" / FOLDER / "run"
    with stopped_in_the_end(instead, database):
        await is_shared(shared_command)
        assert list(runtime.iterdir()) == []
        assert stat.S_IMODE(instead.stat().st_mode) == 0o700


@pytest.mark.parametrize("value", ["", "relative", "/nowhere/at/all"])
async def test_without_a_runtime_folder_it_is_below_the_caches(
    shared_command: list[str],
    runtime: Path,
    database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    value: str,
) -> None:
    # Longer than the 108 bytes that the name of a socket may have.
    home = tmp_path / ("h" * 100) / ("o" * 100)
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    assert list(runtime.iterdir()) == []
    if value != "/nowhere/at/all" and Path(f"/run/user/{os.geteuid()}").is_dir():
        instead = Path(f"/run/user/{os.geteuid()}") / FOLDER
    else:
        instead = home / ".cache" / FOLDER / "run"
    with stopped_in_the_end(instead, database):
        first = await is_shared(shared_command)
        assert await is_shared(shared_command) == first
        assert [
            path.suffix for path in sorted(instead.glob(f"{Address(str(database)).name}.*"))
        ] == [
            ".lock",
            ".sock",
        ]


async def test_without_any_safe_folder_the_command_serves_directly(
    shared_command: list[str], runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(runtime))
    (runtime / FOLDER).mkdir()
    (runtime / FOLDER).chmod(0o777)
    await is_served_alone(shared_command, "other users may ")


def folder_that_others_may_enter(sockets: Path, _name: str) -> None:
    sockets.chmod(0o755)


def folder_that_is_a_link(sockets: Path, _name: str) -> None:
    sockets.rename(sockets.with_name("elsewhere"))
    sockets.symlink_to(sockets.with_name("elsewhere"))


def folder_that_is_a_file(sockets: Path, _name: str) -> None:
    sockets.rmdir()
    sockets.touch()


@pytest.mark.parametrize(
    "spoil", [folder_that_others_may_enter, folder_that_is_a_link, folder_that_is_a_file]
)
async def test_a_folder_with_other_permissions_or_of_another_kind_is_not_used(
    shared_command: list[str],
    sockets: Path,
    database: Path,
    tmp_path: Path,
    spoil: Callable[[Path, str], None],
) -> None:
    spoil(sockets, "")
    with stopped_in_the_end(tmp_path / "home" / ".cache" / FOLDER / "run", database):
        await is_shared(shared_command)
    assert not sockets.is_dir() or list(sockets.iterdir()) == []


def socket_that_is_a_link(sockets: Path, name: str) -> None:
    (sockets / f"{name}.sock").symlink_to(sockets / "elsewhere")


def socket_that_is_a_file(sockets: Path, name: str) -> None:
    (sockets / f"{name}.sock").write_text("precious")


def socket_that_is_a_folder(sockets: Path, name: str) -> None:
    (sockets / f"{name}.sock").mkdir()


def lock_that_is_a_link(sockets: Path, name: str) -> None:
    (sockets / f"{name}.lock").symlink_to(sockets / "elsewhere")


def lock_that_is_a_folder(sockets: Path, name: str) -> None:
    (sockets / f"{name}.lock").mkdir()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (socket_that_is_a_link, "is not a socket"),
        (socket_that_is_a_file, "is not a socket"),
        (socket_that_is_a_folder, "is not a socket"),
        (lock_that_is_a_link, "symbolic links"),
        (lock_that_is_a_folder, "directory"),
    ],
)
async def test_other_files_in_place_of_socket_and_lock_are_left_alone(
    shared_command: list[str],
    sockets: Path,
    database: Path,
    spoil: Callable[[Path, str], None],
    why: str,
) -> None:
    spoil(sockets, Address(str(database)).name)
    before = sorted(path.name for path in sockets.iterdir())
    await is_served_alone(shared_command, why)
    assert sorted(path.name for path in sockets.iterdir()) == before


async def test_the_socket_of_a_killed_daemon_is_replaced(
    shared_command: list[str], sockets: Path, database: Path
) -> None:
    with stopped_in_the_end(sockets, database):
        killed = await is_shared(shared_command)
        os.kill(killed, signal.SIGKILL)
        await shared.ended(killed)
        assert await is_shared(shared_command) != killed


async def test_a_daemon_that_does_not_answer_is_replaced_by_direct_mode(
    shared_command: list[str], sockets: Path, database: Path
) -> None:
    with stopped_in_the_end(sockets, database):
        hanging = await is_shared(shared_command)
        shared.report(database, sockets)  # it has closed the database by now, and has no lock
        os.kill(hanging, signal.SIGSTOP)
        try:
            with timings.changed(RESPONSE_TIMEOUT=0.2):
                await is_served_alone(shared_command, "does not answer")
        finally:
            os.kill(hanging, signal.SIGCONT)


Play = Callable[[socket.socket], None]


def closes(connection: socket.socket) -> None:
    connection.close()


def says_nothing(connection: socket.socket) -> None:
    connection.settimeout(None)
    while connection.recv(65536):
        pass


def says_garbage(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" * 3)
    says_nothing(connection)


def says_what_is_not_expected(connection: socket.socket) -> None:
    connection.sendall(control.pack("serving"))
    says_nothing(connection)


def says_no(connection: socket.socket) -> None:
    connection.sendall(control.pack("refuse", reason="no time for that"))
    says_nothing(connection)


def says_half(connection: socket.socket) -> None:
    connection.sendall(control.pack("ready")[:7])
    connection.close()


def takes_the_streams(then: Play) -> Play:
    def play(connection: socket.socket) -> None:
        control.receive(connection)
        connection.sendall(control.pack("ready"))
        _, descriptors, _, _ = socket.recv_fds(connection, 4096, 8)
        for descriptor in descriptors:
            os.close(descriptor)
        then(connection)

    return play


@pytest.mark.timings(RESPONSE_TIMEOUT=0.2)
@pytest.mark.parametrize(
    ("play", "why"),
    [
        (closes, "ends right after it starts"),
        (says_nothing, "does not answer"),
        (says_garbage, "does not send control messages"),
        (says_what_is_not_expected, "expected ready, received serving"),
        (says_no, "no time for that"),
        (says_half, "ends right after it starts"),
        (takes_the_streams(closes), "ends right after it starts"),
        (takes_the_streams(says_nothing), "does not answer"),
        (takes_the_streams(says_no), "no time for that"),
        (takes_the_streams(says_garbage), "does not send control messages"),
    ],
)
async def test_a_peer_that_breaks_the_control_protocol_is_replaced_by_direct_mode(
    shared_command: list[str],
    sockets: Path,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    play: Play,
    why: str,
) -> None:
    def answer_all() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    play(connection)

    monkeypatch.chdir(sockets)
    bound = bind(Address(str(database)).socket_name).detach()
    with socket.socket(fileno=bound) as listener:
        answering = asyncio.ensure_future(asyncio.to_thread(answer_all))
        await is_served_alone(shared_command, why)
        listener.shutdown(socket.SHUT_RDWR)
        await answering


async def test_a_process_of_another_user_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert control.check_peer(ours) == os.getpid()
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with pytest.raises(control.ControlError, match=f"belongs to user {os.getuid()}"):
            control.check_peer(ours)
