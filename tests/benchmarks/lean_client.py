"""The client for all contestants: raw pipes, and as little parsing as possible.

It splits replies by their Content-Length and searches them with ``in`` only. The caller decodes
them, where it has to, after it has stopped the clock.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

COMMAND: Final = str(Path(sys.executable).with_name("tenets-session-server"))
"""The command of the running environment."""
READ_SIZE: Final = 64 * 1024
STALLED_AFTER: Final = 60.0
"""Seconds without one byte after which a server is taken to be stuck, so that the run can end."""

_HEADER: Final = re.compile(rb"Content-Length: *(\d+)\r\n(?:[^\r\n]+\r\n)*\r\n")


class ServerError(Exception):
    """A server ended, got stuck or answered with an error."""


def frame(message: dict[str, Any]) -> bytes:
    """Return a message as it goes over the wire."""
    body = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def request(message_id: int, method: str, params: object) -> bytes:
    """Return a request as it goes over the wire."""
    return frame({"id": message_id, "method": method, "params": params})


class LeanClient:
    """A process, and the conversation with it.

    ``echoing`` is for a process that sends back what it is sent, where the requests themselves
    count as replies.
    """

    def __init__(self, command: Sequence[str], log: IO[bytes], *, echoing: bool = False) -> None:
        self.started_at = time.perf_counter_ns()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._echoing = echoing
        self._buffer = b""
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    def call(self, data: bytes) -> bytes:
        """Send one request and return the body of its reply."""
        os.write(self._stdin, data)
        while True:
            for body in self._receive():
                return body

    @property
    def stdout(self) -> int:
        """The descriptor that its output is read from."""
        return self._stdout

    def send(self, data: bytes) -> None:
        """Write what fits into a pipe, and wait for nothing."""
        os.write(self._stdin, data)

    def tell(self, method: str) -> None:
        """Send a notification with empty params."""
        os.write(self._stdin, frame({"method": method, "params": {}}))

    def pipeline(self, requests: Sequence[bytes]) -> list[bytes]:
        """Send all requests without waiting, reading meanwhile; return all replies' bodies."""
        unsent = memoryview(b"".join(requests))
        replies: list[bytes] = []
        os.set_blocking(self._stdin, False)
        self._poll.register(self._stdin, select.POLLOUT)
        while len(replies) < len(requests):
            ready = dict(self._poll.poll(STALLED_AFTER * 1000))
            if not ready:
                missing = f"{len(replies)} of {len(requests)} replies"
                raise ServerError(f"stuck after {missing}")
            if self._stdin in ready:
                try:
                    unsent = unsent[os.write(self._stdin, unsent[:READ_SIZE]) :]
                except BlockingIOError:
                    pass
                except BrokenPipeError:
                    unsent = unsent[:0]  # reading shows how far it got
                if not unsent:
                    self._poll.unregister(self._stdin)
            if self._stdout in ready:
                replies += self._read()
        os.set_blocking(self._stdin, True)
        return replies

    def end(self) -> int:
        """Close the pipes; return the exit status."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            return self._process.wait(STALLED_AFTER)
        except subprocess.TimeoutExpired:
            raise ServerError("did not end with its input") from None

    def kill(self) -> None:
        """End the process if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self.end()

    def resident_mib(self) -> float:
        """Return the process' resident set (VmRSS), NaN where the system does not report it."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return float("nan")
        found = re.search(r"VmRSS:\s*(\d+) kB", status)
        return int(found[1]) / 1024 if found else float("nan")

    def _receive(self) -> list[bytes]:
        if not self._poll.poll(STALLED_AFTER * 1000):
            raise ServerError(f"no reply in {STALLED_AFTER:.0f} s")
        return self._read()

    def _read(self) -> list[bytes]:
        """Read once; return the bodies of the replies that are complete now."""
        data = os.read(self._stdout, READ_SIZE)
        if not data:
            raise ServerError("ended its output")
        buffer = self._buffer + data if self._buffer else data
        position = 0
        replies = []
        while header := _HEADER.match(buffer, position):
            end = header.end() + int(header[1])
            if len(buffer) < end:
                break
            body = buffer[header.end() : end]
            position = end
            if b'"method"' not in body or self._echoing:  # else: the server's own message
                replies.append(body)
                if b'"error"' in body:
                    raise ServerError(f"answered {body.decode()}")
        self._buffer = buffer[position:]
        return replies
