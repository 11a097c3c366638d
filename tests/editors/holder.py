"""Stands between an editor and its server, and holds back the replies to one method.

``holder.py METHOD FILE PROGRAM [ARGUMENT ...]`` runs the program. While there is the file, the
replies to the method wait; what else the server says overtakes them. Once one waits, it is written
into the file.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from editors.recorder import messages


class Holder:
    """The messages of one server."""

    def __init__(self, method: str, file: Path, server: subprocess.Popen[bytes]) -> None:
        assert server.stdin is not None
        assert server.stdout is not None
        self._method, self._file = method, file
        self._to_server, self._from_server = server.stdin, server.stdout
        self._asked: set[object] = set()
        self._held: list[bytes] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        """Carry messages until the server ends."""
        for work in (self._carry_to_server, self._release):
            threading.Thread(target=work, daemon=True).start()
        for data, message in messages(self._from_server):
            with self._lock:
                if message.get("id") in self._asked and self._file.exists():
                    self._held.append(data)
                    self._file.write_bytes(data)
                else:
                    self._send(data)

    def _carry_to_server(self) -> None:
        for data, message in messages(sys.stdin.buffer):
            if message.get("method") == self._method:
                self._asked.add(message["id"])
            self._to_server.write(data)
            self._to_server.flush()
        self._to_server.close()

    def _release(self) -> None:
        while True:
            time.sleep(0.02)  # nobody tells of a file that is gone
            with self._lock:
                if not self._file.exists():
                    for data in self._held:
                        self._send(data)
                    self._held.clear()

    @staticmethod
    def _send(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def main() -> int:
    """Run the program; return its exit status."""
    method, file, *command = sys.argv[1:]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        Holder(method, Path(file), server).run()
        return server.wait()


if __name__ == "__main__":
    sys.exit(main())
