"""A Vim on a screen that a test drives, with the plugin installed as its README tells."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

from editors.plain_editors import installed
from editors.screen import DEADLINE, Screen
from support.people import Person

PLUGIN: Final = Path(__file__).parents[2] / "client_examples" / "vim"
README: Final = (PLUGIN / "README.md").read_text()
HEADING: Final = re.compile(
    r"^─+ (\d+) · (.+?) · (.*?) · (\d{4}-\d\d-\d\d \d\d:\d\d)(?: · (.+))? ─+$", re.MULTILINE
)
"""A heading of a notes buffer: id, kind, author, time and place."""
QUIET: Final = "set noswapfile nomore shortmess=filnxtToOSI\n"
"""Of the tests: no swap files beside the project, no prompt for more, no introduction."""


def program() -> str:
    """Return the Vim on the PATH. Its absence is a failure, for then nothing has been tested."""
    return installed("vim", "Debian and Ubuntu: apt-get install vim-nox")


def install(person: Person, configuration: str = "") -> list[str]:
    """Install the plugin as its README tells; return the command that starts Vim with it."""
    (lines,) = re.findall(r"^   ```vim\n(.*?)^   ```", README, re.DOTALL | re.MULTILINE)
    package = person.home / ".vim" / "pack" / "tenets" / "start" / "tenets"
    shutil.copytree(PLUGIN, package, dirs_exist_ok=True)
    file = person.home / "vimrc"
    file.write_text(f"source $VIMRUNTIME/defaults.vim\n{QUIET}{lines}{configuration}")
    return [program(), "-u", str(file), "-i", "NONE"]


def commands(start: str) -> list[str]:
    """Return the lines of the README's first block of a shell that start Vim for something."""
    (block,) = re.findall(r"^   ```\n(.*?)^   ```", README, re.DOTALL | re.MULTILINE)
    return [
        line.strip() for line in block.splitlines() if line.strip().startswith(f"vim -c '{start}")
    ]


class Vim:
    """One Vim. Its methods do what a user does, and wait for what a user waits for."""

    def __init__(self, screen: Screen, person: Person) -> None:
        self.screen, self.person = screen, person

    @classmethod
    @contextlib.contextmanager
    def opened(
        cls, person: Person, *arguments: str, configuration: str = "", errors: str = ""
    ) -> Iterator[Self]:
        """Start it; in the end it is left, having shown no error but those ``errors`` fits."""
        command = shlex.join([*install(person, configuration), *arguments])
        shell = f"{command}; echo Vim was left with $?; exec cat"
        with Screen.opened(shell, person.folder, person.environment) as screen:
            vim = cls(screen, person)
            yield vim
            if "Vim was left with" not in screen.text:
                for line in vim.evaluates("execute('messages')").splitlines():
                    is_error = re.search(r"\bE\d+:|Error detected", line)
                    assert not is_error or (errors and re.search(errors, line)), line
                vim.leaves()

    def types(self, *keys: str) -> None:
        """Type keys, by tmux's names of them."""
        self.screen.types(*keys)

    def writes(self, text: str) -> None:
        """Type a text as it is."""
        self.screen.types_text(text)

    def appends(self, text: str) -> None:
        """Append a text to the line of the cursor, from Normal mode."""
        self.types("A")
        self.writes(text)
        self.types("Escape")

    def enters(self, line: str) -> None:
        """Type a line into the command line, from Normal mode or with a selection."""
        self.writes(f":{line}")
        self.types("Enter")

    def goes_to(self, line: int | str) -> None:
        """Move to a line by its number, or to the first one that has a text."""
        if isinstance(line, str):
            self.enters(f"call cursor(1, 1) | call search('\\V{line}', 'c')")
        else:
            self.enters(f"{line}")

    def evaluates(self, expression: str) -> str:
        """Return the value of an expression of Vim, as a text."""
        file = self.person.home / f"value{time.monotonic_ns()}"
        # Written under another name first, so that what is there is complete.
        line = f"call writefile(split({expression}, \"\\n\", 1), '{file}.new')"
        self.types("Escape")
        self.enters(f"{line} | call rename('{file}.new', '{file}')")
        end = time.monotonic() + DEADLINE
        while not file.exists():
            assert time.monotonic() < end, (
                f"Vim does not evaluate {expression}:\n{self.screen.text}"
            )
            time.sleep(0.02)  # there is nothing to wait for but the file
        return file.read_text().removesuffix("\n")

    def buffer(self) -> str:
        """Return the text of the current buffer."""
        return self.evaluates("join(getline(1, '$'), \"\\n\")")

    def wait_for(self, is_there: str | Callable[[str], bool]) -> str:
        """Wait until something is on the screen; return the screen."""
        return self.screen.wait_for(is_there)

    def wait_for_status(self, text: str) -> None:
        """Wait until a status line ends with what the README puts there."""
        pattern = re.compile(rf" *{re.escape(text)} \d+,\d+$", re.MULTILINE)
        self.wait_for(lambda shown: pattern.search(shown) is not None)

    def wait_until(self, expression: str) -> None:
        """Wait until an expression of Vim is true."""
        end = time.monotonic() + DEADLINE
        while self.evaluates(f"string({expression})") in {"0", "v:false"}:
            assert time.monotonic() < end, f"never true: {expression}\n{self.screen.text}"

    def leaves(self) -> None:
        """Leave Vim without writing anything more."""
        self.types("Escape")
        self.enters("qa!")
        self.wait_for("Vim was left with 0")
