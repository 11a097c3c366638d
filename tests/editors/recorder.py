"""Stands between an editor and its server, and writes down what each of them says.

``recorder.py FILE PROGRAM [ARGUMENT ...]`` runs the program; each line of the file is
``{"from": "editor" or "server", "message": MESSAGE}``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def messages(source: IO[bytes]) -> Iterator[tuple[bytes, Any]]:
    """Give each message as it was sent, and as JSON, until the source ends."""
    while header := source.readline():
        size = 0
        head = header
        while header.strip():
            key, _, value = header.partition(b":")
            if key.lower() == b"content-length":
                size = int(value)
            header = source.readline()
            head += header
        body = source.read(size)
        yield head + body, json.loads(body)


def carry(name: str, source: IO[bytes], target: IO[bytes], record: IO[bytes]) -> None:
    """Carry messages until the source ends."""
    for data, message in messages(source):
        # Written before it is carried: what has an effect on the screen is in the file.
        record.write(json.dumps({"from": name, "message": message}).encode() + b"\n")
        target.write(data)
        target.flush()
    target.close()


def main() -> int:
    """Run the program; return its exit status."""
    file, *command = sys.argv[1:]
    with (
        Path(file).open("ab", buffering=0) as record,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        arguments = ("editor", sys.stdin.buffer, server.stdin, record)
        threading.Thread(target=carry, args=arguments, daemon=True).start()
        carry("server", server.stdout, sys.stdout.buffer, record)
        return server.wait()


if __name__ == "__main__":
    sys.exit(main())
