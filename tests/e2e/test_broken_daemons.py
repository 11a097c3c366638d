"""A daemon that ended, hangs or breaks the protocol: the command serves its editor itself.

It logs one warning, and nothing of its input is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from support import shared, timings
from support.attaching import is_served_alone, is_shared, stopped_in_the_end
from tenets_session_server.daemon import control
from tenets_session_server.daemon.address import Address, bind

pytestmark = pytest.mark.asyncio

STATS = "tenets/session.stats"
CREATE = "tenets/session.create"


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
