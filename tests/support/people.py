"""``tenets-session`` as people and scripts run it: in a pipe, and on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from support.messages import INITIALIZE, frame
from support.pipes import DEADLINE

COMMAND = Path(sys.executable).with_name("tenets-session")
# A program that becomes the owner of the terminal, as in a window, and then another program.
_OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " os.execvp(sys.argv[1], sys.argv[1:])"
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\x07]")


class Person:
    """Somebody with a database, a folder and a home of their own."""

    def __init__(self, database: Path, folder: Path, **environment: str) -> None:
        self.database, self.folder = database, folder
        self.home = folder.parent / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "HOME": str(self.home),
            "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR", str(self.home)),
            **environment,
        }

    def command(self, *arguments: str) -> list[str]:
        """Return a command line."""
        return [str(COMMAND), "--database", str(self.database), *arguments]

    def run(self, *arguments: str, given: str | bytes = "") -> subprocess.CompletedProcess[str]:
        """Run the command in a pipe; ``given`` is what it can read."""
        done = subprocess.run(
            self.command(*arguments),
            input=given.encode() if isinstance(given, str) else given,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
            cwd=self.folder,
            env=self.environment,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def does(self, *arguments: str, given: str | bytes = "") -> str:
        """Return what the command prints, which has to succeed without a complaint."""
        done = self.run(*arguments, given=given)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def gets(self, *arguments: str, given: str | bytes = "") -> Any:
        """Return the JSON object that the command prints."""
        verb, *others = arguments
        return json.loads(self.does(verb, "--json", *others, given=given))

    def fails(self, *arguments: str, given: str | bytes = "") -> tuple[int, str]:
        """Return the exit status of a command that fails, and its one sentence."""
        done = self.run(*arguments, given=given)
        assert done.stdout == ""
        (sentence,) = done.stderr.splitlines()
        assert sentence.startswith("tenets-session: ")
        return done.returncode, sentence.removeprefix("tenets-session: ")


class PersonWithoutOptions(Person):
    """Somebody whose database is in the default place, and who names none."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder.parent / "home" / ".tenets" / "cache" / "tenets.db", folder)

    def command(self, *arguments: str) -> list[str]:
        """Return a command line."""
        return [str(COMMAND), *arguments]


@contextlib.contextmanager
def an_editor(person: Person) -> Iterator[None]:
    """Have an editor open, which is served by the daemon of the person's database."""
    server = [sys.executable, "-m", "tenets_session_server", "--database", str(person.database)]
    with subprocess.Popen(
        server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=person.environment
    ) as editor:
        assert editor.stdin is not None
        assert editor.stdout is not None
        editor.stdin.write(frame(INITIALIZE))
        editor.stdin.flush()
        assert editor.stdout.readline().startswith(b"Content-Length")
        try:
            yield
        finally:
            editor.stdin.close()
            editor.wait(DEADLINE)


class Terminal:
    """A command on a pseudo-terminal, and what stands on it."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        columns: int = 80,
    ) -> None:
        self._main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *command],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**environment, "COLUMNS": str(columns), "LINES": "24"},
            cwd=folder,
            start_new_session=True,
        )
        os.close(terminal)
        self.raw = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._main)

    @property
    def shown(self) -> str:
        """What was printed so far, without control sequences."""
        return _CONTROL.sub("", self.raw)

    def types(self, keys: str) -> None:
        """Type some keys."""
        os.write(self._main, keys.encode())

    def expect(self, text: str, start: int = 0) -> None:
        """Wait until a text was printed, behind the first ``start`` characters."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.shown[start:]:
            assert self._read(deadline), f"{text!r} is not in {self.shown!r}"

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit status, and all that was printed."""
        deadline = time.monotonic() + DEADLINE
        while self._read(deadline):
            pass
        return self._process.wait(DEADLINE), self.shown

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._main], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing more came after {self.shown!r}")
        try:
            data = os.read(self._main, 65536)
        except OSError:  # its last process has closed the terminal
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)


def on_terminal(person: Person, *arguments: str, columns: int = 80) -> Terminal:
    """Return a terminal on which a person runs the command."""
    return Terminal(person.command(*arguments), person.environment, person.folder, columns=columns)
