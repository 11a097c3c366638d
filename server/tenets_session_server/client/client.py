"""What calls methods: on the daemon where one runs, else on the database.

Both answer with the same JSON values. The daemon is a matter of milliseconds; the database takes as
long to open as everything that knows it takes to import.
"""

from __future__ import annotations

import json
import os
import sys

from tenets_session_server import __version__
from tenets_session_server.daemon import running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final, Self

    from tenets_session_server.rpc.local import LocalClient

    Json = dict[str, Any]

AUTHOR: Final = "tenets-session"
"""The label under which the command writes, unless ``--author`` says otherwise."""
LARGEST_MESSAGE: Final = 16 * 1024 * 1024
"""Bytes of a message that a daemon reads; without one it is the same."""
ENVELOPE: Final = 1024
"""Bytes of a message beside its params, at most."""
START_TIMEOUT: Final = 15.0
"""Seconds within which a daemon starts."""
CHUNK: Final = 256 * 1024
"""Bytes that are received at once."""

READS: Final = frozenset(
    (
        *("get", "list", "getActive", "getCurrent", "listContext", "getContext", "listBindings"),
        *("listTrash", "search", "stats", "changes", "locate", "export"),
    )
)
"""Methods that can be repeated elsewhere if a daemon ends before it answers."""


class CallError(Exception):
    """A method's error reply: ``code``, ``message`` and ``data`` of JSON-RPC 2.0, section 5.1."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.data: Json = error.get("data") or {}

    @property
    def kind(self) -> str:
        """What went wrong, "" where the params are wrong or the server has a bug."""
        return str(self.data.get("kind", ""))


class DisconnectedError(Exception):
    """The daemon has ended, or was ended, before it answered."""


class Client:
    """Calls methods on one database, as one client.

    ``reason`` says why it is that database. ``name`` is the client's own. ``folder`` is the one
    whose session is current. ``notifications``: the client wants them, see :meth:`messages`. A
    daemon that has not answered after ``timeout`` seconds counts as ended. ``busy_timeout`` and
    ``on_indexing`` as :class:`.rpc.local.LocalClient` has them. ``warnings`` are sentences for the
    user about the file, once something was called.
    """

    def __init__(
        self,
        database: str,
        reason: str,
        *,
        name: str = AUTHOR,
        author: str = AUTHOR,
        folder: str,
        notifications: bool = False,
        timeout: float | None = None,
        busy_timeout: float | None = None,
        on_indexing: Callable[[int], None] = lambda _left: None,
    ) -> None:
        self.database, self.reason, self.folder = database, reason, folder
        self._busy_timeout = busy_timeout
        self.warnings: list[str] = []
        self._name, self._author, self._on_indexing = name, author, on_indexing
        self._local: LocalClient | None = None
        self._daemon = self._connect(notifications, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, or close the database."""
        if self._daemon is not None:
            self._daemon.close()
        if self._local is not None:
            self._local.close()

    @property
    def is_attached(self) -> bool:
        """Whether a daemon answers."""
        return self._daemon is not None

    def call(self, verb: str, **params: Any) -> Any:
        """Return the result of ``tenets/session.<verb>``; params that are None are left out.

        Raises :class:`CallError` and :class:`DisconnectedError`.
        """
        given = {name: value for name, value in params.items() if value is not None}
        check_size(given)
        reply: Json | None = None
        if self._daemon is not None:
            try:
                reply = self._daemon.request(f"tenets/session.{verb}", given)
            except DisconnectedError:
                if verb not in READS:
                    raise
                self._daemon.close()  # a read can be repeated on the database
                self._daemon = None
        if reply is None:
            reply = self._opened().request(verb, given)
        if "error" in reply:
            raise CallError(reply["error"])
        return reply["result"]

    def messages(self) -> Iterator[Json]:
        """Yield the params of each ``didChange`` until the daemon ends; needs a daemon."""
        if self._daemon is not None:
            yield from self._daemon.changes()

    def _connect(self, notifications: bool, timeout: float | None) -> _Daemon | None:
        attachment = running.attach(self.database, self.reason)
        if attachment is None:
            return None
        daemon = _Daemon(attachment, timeout)
        options = {
            "notifications": notifications,
            "activeMetadata": False,
            "commands": False,
            "author": self._author,
            "folders": [self.folder],
        }
        try:
            reply = daemon.request(
                "initialize",
                {
                    "processId": os.getpid(),
                    "clientInfo": {"name": self._name, "version": __version__},
                    "capabilities": {},
                    "initializationOptions": options,
                },
            )
            if "error" not in reply:
                daemon.tell("initialized", {})
        except DisconnectedError:  # it was just about to end
            daemon.close()
            return None
        if "error" in reply:
            daemon.close()
            raise CallError(reply["error"])
        capability = reply["result"]["capabilities"]["experimental"]["tenetsSession"]
        self.warnings = capability["warnings"]
        return daemon

    def _opened(self) -> LocalClient:
        if self._local is None:
            from tenets_session_server.rpc.local import LocalClient  # noqa: PLC0415 - 60 ms

            self._local = LocalClient(
                self.database,
                self.reason,
                self._author,
                (self.folder,),
                self._on_indexing,
                busy_timeout=self._busy_timeout,
            )
            self.warnings = self._local.warnings()
        return self._local


def start_daemon(database: str) -> None:
    """Start the daemon of a database unless one runs, as an editor does that leaves at once."""
    import subprocess  # noqa: PLC0415 - few want it

    command = [sys.executable, "-P", "-m", "tenets_session_server", "--database", database]
    null = subprocess.DEVNULL
    try:
        subprocess.run(  # noqa: S603 - our own program
            command, stdin=null, stdout=null, stderr=null, timeout=START_TIMEOUT, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return  # then the database itself is used


def check_size(params: Json) -> None:
    """Raise :class:`CallError` for params that are larger than a message may be."""
    characters = sum(len(value) for value in params.values() if isinstance(value, str))
    if characters < LARGEST_MESSAGE // 8:  # whatever JSON makes of each
        return
    size = len(json.dumps(params, ensure_ascii=False).encode("utf-8", "replace"))
    if size > LARGEST_MESSAGE - ENVELOPE:
        message = f"the text has more than {LARGEST_MESSAGE:,} bytes as JSON: split it"
        data = {"kind": "limitExceeded", "limit": LARGEST_MESSAGE}
        raise CallError({"code": None, "message": message, "data": data})


class _Daemon:
    """The messages on one connection to a daemon (LSP 3.17, base protocol)."""

    def __init__(self, attachment: running.Attachment, timeout: float | None) -> None:
        self._attachment, self._stream = attachment, attachment.stream
        self._stream.settimeout(timeout)
        self._data = b""
        self._last_id = 0
        self._changes: list[Json] = []  # that have arrived before a reply

    def close(self) -> None:
        """End the connection as the protocol has it."""
        try:
            self._send({"id": "end", "method": "shutdown"})
            self._send({"method": "exit"})
        except DisconnectedError:
            pass
        self._attachment.close()

    def tell(self, method: str, params: Json) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def request(self, method: str, params: Json) -> Json:
        """Return the reply to a request."""
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == self._last_id:
                return message
            self._keep(message)

    def changes(self) -> Iterator[Json]:
        """Yield the params of each ``didChange`` until the daemon ends."""
        while True:
            while self._changes:
                yield self._changes.pop(0)
            try:
                self._keep(self._receive())
            except DisconnectedError:
                return

    def _keep(self, message: Json) -> None:
        if message.get("method") == "tenets/session.didChange":
            self._changes.append(message["params"])

    def _send(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode()
        try:
            self._stream.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        except OSError as error:
            raise DisconnectedError from error

    def _receive(self) -> Json:
        header = self._read_until(b"\r\n\r\n")
        body = self._read(int(header.partition(b"Content-Length:")[2].split()[0]))
        message: Json = json.loads(body)
        return message

    def _read_until(self, end: bytes) -> bytes:
        while end not in self._data:
            self._data += self._received()
        header, _, self._data = self._data.partition(end)
        return header

    def _read(self, size: int) -> bytes:
        pieces, missing = [self._data[:size]], size - len(self._data)
        self._data = self._data[size:]
        while missing > 0:
            piece = self._received()
            pieces.append(piece[:missing])
            self._data = piece[missing:]
            missing -= len(piece)
        return b"".join(pieces)

    def _received(self) -> bytes:
        try:
            piece = self._stream.recv(CHUNK)
        except OSError as error:
            raise DisconnectedError from error
        if not piece:
            raise DisconnectedError
        return piece
