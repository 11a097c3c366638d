"""A program on a screen of its own, as its user sees it (tmux)."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import pytest

DEADLINE = 60.0


class Screen:
    """A terminal. Its methods do what a user does, and sees."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    @classmethod
    @contextlib.contextmanager
    def opened(
        cls,
        command: str,
        folder: Path,
        environment: Mapping[str, str],
        *,
        size: tuple[int, int] = (110, 34),
    ) -> Iterator[Self]:
        """Run a shell command; the block gets its screen, and in the end it is gone.

        ``size`` is how many columns and lines it has.
        """
        if shutil.which("tmux") is None:
            pytest.fail("tmux is not on the PATH: install it (Debian: apt-get install tmux)")
        columns, lines = map(str, size)
        start = ["new-session", "-d", "-x", columns, "-y", lines, "-c", str(folder), command]
        # A socket of its own: on that of a tmux that is just ending, the next one would end too.
        with tempfile.TemporaryDirectory() as own:
            screen = cls(Path(own) / "tmux")
            subprocess.run(
                screen._tmux("-f", "/dev/null", *start), check=True, env=dict(environment)
            )
            try:
                yield screen
            finally:
                subprocess.run(screen._tmux("kill-server"), check=False, capture_output=True)

    @property
    def pid(self) -> int:
        """The process that runs there."""
        command = self._tmux("display-message", "-p", "#{pane_pid}")
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def types(self, *keys: str) -> None:
        """Type keys, by tmux's names of them."""
        subprocess.run(self._tmux("send-keys", *keys), check=True)

    def types_text(self, text: str) -> None:
        """Type a text as it is."""
        subprocess.run(self._tmux("send-keys", "-l", text), check=True)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return self._captured()

    @property
    def colored(self) -> str:
        """What is on the screen, with the escape sequences for its colours."""
        return self._captured("-e")

    def _captured(self, *options: str) -> str:
        command = self._tmux("capture-pane", "-p", *options)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def wait_for(self, is_there: str | Callable[[str], bool]) -> str:
        """Wait until something is on the screen; return the screen."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            text = self.text
            if is_there in text if isinstance(is_there, str) else is_there(text):
                return text
            time.sleep(0.05)  # there is nothing to wait for but the screen itself
        pytest.fail(f"{is_there!r} is not on the screen:\n{self.text}")

    def _tmux(self, *arguments: str) -> list[str]:
        return ["tmux", "-S", str(self._socket), *arguments]
