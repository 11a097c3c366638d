"""A daemon that ends in the middle of a conversation: after so many messages of its client."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from support import shared
from support.messages import Json, frame
from support.pipes import DEADLINE
from tenets_session_server.daemon import control
from tenets_session_server.daemon.address import Address, bind

INITIALIZED: Final[Json] = {"capabilities": {"experimental": {"tenetsSession": {"warnings": []}}}}


@contextlib.contextmanager
def ending_daemon(database: Path, messages: int) -> Iterator[list[str]]:
    """Have a daemon that ends each connection once it has read so many messages of its client.

    It answers ``initialize``. If that is the last message, nothing can be written to the connection
    any more when the answer arrives. The block gets the methods that were read.
    """
    shared.folder().mkdir(mode=0o700, exist_ok=True)
    read: list[str] = []
    with shared.working_in(shared.folder()):
        listener = socket.socket(fileno=bind(Address(str(database)).socket_name).detach())
    thread = threading.Thread(target=_serve, args=(listener, messages, read))
    thread.start()
    try:
        yield read
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(DEADLINE)
        listener.close()


def _serve(listener: socket.socket, messages: int, read: list[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                control.receive(connection)
                connection.sendall(control.pack("ready"))
                _, (stdin, *others), _, _ = socket.recv_fds(connection, 4096, 8)
                for descriptor in others:
                    os.close(descriptor)
                connection.sendall(control.pack("serving"))
                with socket.socket(fileno=stdin) as client:
                    _talk(client, messages, read)


def _talk(client: socket.socket, messages: int, read: list[str]) -> None:
    with client.makefile("rb") as stream:
        for number in range(1, messages + 1):
            message = _message(stream)
            read.append(message["method"])
            if number == messages:
                client.shutdown(socket.SHUT_RD)
            if message["method"] == "initialize":
                client.sendall(frame({"id": message["id"], "result": INITIALIZED}))


def _message(stream: BinaryIO) -> Any:
    size = int(stream.readline().partition(b":")[2])
    assert stream.readline() == b"\r\n"
    return json.loads(stream.read(size))
