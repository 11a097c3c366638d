"""An Emacs on a screen, with the package as its README sets it up."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import pytest

from editors.screen import DEADLINE, Screen
from support.people import Person

PACKAGE: Final = Path(__file__).parents[2] / "client_examples" / "emacs"
NEWEST_VARIABLE: Final = "TENETS_TEST_EMACS_NEWEST"
DEBIAN: Final = Path("/usr/share/emacs/site-lisp/elpa-src")
QUIET: Final = """\
(setq make-backup-files nil auto-save-default nil create-lockfiles nil inhibit-startup-screen t
      native-comp-deferred-compilation nil native-comp-jit-compilation nil load-prefer-newer t)
"""


def emacs_program(which: str) -> str:
    """Return the program ``"on the PATH"`` or the ``"newest"``.

    Its absence is a failure, for then nothing has been tested.
    """
    if which == "newest":
        given = os.environ.get(NEWEST_VARIABLE, "")
        found = shutil.which(given) if given else None
        problem = f"{NEWEST_VARIABLE} is {given!r}, which is no program"
        if not given:
            problem = f"{NEWEST_VARIABLE} is not set; it names the newest Emacs to be tested"
        how = f".ci/run installs it from Debian's backports, and sets {NEWEST_VARIABLE}"
    else:
        found = shutil.which("emacs")
        problem = "emacs is not on the PATH, and these tests are about it"
        how = "install Emacs 28.2 or newer (Debian and Ubuntu: apt-get install emacs-nox)"
    if found is None:
        pytest.fail(f"{problem}: {how}", pytrace=False)
    return found


def batch(program: str, person: Person, *arguments: str) -> str:
    """Run Emacs without a screen, which has to succeed; return all that it prints."""
    done = subprocess.run(
        [program, "-Q", "--batch", *arguments],
        env=person.environment,
        cwd=person.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE * 5,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def lint_paths() -> list[str]:
    """Return the options with which Emacs finds package-lint, which has to be installed."""
    found = [*DEBIAN.glob("package-lint-*"), *DEBIAN.glob("let-alist-*")]
    if not found:
        pytest.fail("package-lint is not there: apt-get install elpa-package-lint", pytrace=False)
    return [part for folder in found for part in ("-L", str(folder))]


def configuration() -> str:
    """Return the first block of the README, for ``init.el``."""
    found = re.search(r"```elisp\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1].replace("/path/to/client_examples/emacs", str(PACKAGE))


class Emacs:
    """One Emacs. Its methods do what a user does, and wait for what a user waits for."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    @classmethod
    @contextlib.contextmanager
    def opened(cls, program: str, person: Person, file: str = "login.py") -> Iterator[Self]:
        """Open a file; in the end Emacs is gone."""
        init = person.home / "init.el"
        init.write_text(QUIET + configuration())
        command = shlex.join([program, "-nw", "-Q", "-l", str(init), file])
        with Screen.opened(command, person.folder, person.environment) as screen:
            yield cls(screen)

    def types(self, *keys: str) -> None:
        """Type keys, by tmux's names of them."""
        self.screen.types(*keys)

    def writes(self, text: str) -> None:
        """Type a text as it is."""
        self.screen.types_text(text)

    def answers(self, question: str, text: str) -> None:
        """Answer a question, once it is there."""
        self.sees(question)
        if text:
            self.writes(text)
        self.types("Enter")

    def runs(self, command: str) -> None:
        """Run a command by its name."""
        self.types("M-x")
        self.answers("M-x", command)

    def sees(self, *texts: str) -> str:
        """Wait until all texts are on the screen; return the screen."""

        def is_there(screen: str) -> bool:
            shown = screen.replace("\\\n", "")  # which continues a long line
            return all(text in shown for text in texts)

        return self.screen.wait_for(is_there)

    def loses(self, text: str) -> str:
        """Wait until a text is not on the screen any more; return the screen."""
        return self.screen.wait_for(lambda shown: text not in shown)

    def goes_to(self, line: int) -> None:
        """Move to a line."""
        self.types("M-g", "g")
        self.answers("Goto line", f"{line}")
        self.sees(f"L{line} ")

    def visits(self, buffer: str) -> None:
        """Show a buffer that is there, alone."""
        self.types("C-x", "b")
        self.answers("Switch to buffer", buffer)
        self.sees(f" {buffer} ")
        self.types("C-x", "1")

    def said(self) -> str:
        """Return the end of what Emacs has said, on the whole screen."""
        self.visits("*Messages*")
        self.types("M->")
        return self.sees("*Messages*")
