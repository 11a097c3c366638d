"""Neovim, Emacs and VS Code at one daemon, each as its user has it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import expect

from editors.neovim_support import neovim_program
from editors.plain_editors import installed
from editors.screen import Screen
from editors.vscode.code_server import CodeServer, Window
from support.people import Person

EXAMPLES: Final = Path(__file__).parents[3] / "client_examples"


@contextmanager
def neovim(person: Person, file: str, size: tuple[int, int]) -> Iterator[Screen]:
    """A Neovim with our plugin, which shows the session in its status line."""
    configuration = person.home / "init.lua"
    configuration.write_text(f"""
        vim.opt.runtimepath:append("{EXAMPLES / "neovim"}")
        vim.o.swapfile, vim.o.laststatus = false, 2
        vim.o.statusline = "%f %{{v:lua.require'tenets'.statusline()}}"
        require("tenets").setup({{
            cmd = {{ "tenets-session-server", "--database", "{person.database}" }}, marks = "text",
        }})
    """)
    command = f"exec {neovim_program('newest')} -u {configuration} -i NONE {file}"
    with Screen.opened(command, person.folder, person.environment, size=size) as found:
        yield found


@contextmanager
def emacs(person: Person, file: str, size: tuple[int, int]) -> Iterator[Screen]:
    """An Emacs with our package, which shows the session in its mode line."""
    configuration = person.home / "init.el"
    configuration.write_text(f"""
        (add-to-list 'load-path "{EXAMPLES / "emacs"}")
        (require 'tenets)
        (setq tenets-server-command '("tenets-session-server" "--database" "{person.database}")
              make-backup-files nil auto-save-default nil)
        (tenets-mode 1)
    """)
    program = installed("emacs", "Debian and Ubuntu: apt-get install emacs-nox")
    command = f"exec {program} -Q -nw -l {configuration} {file}"
    with Screen.opened(command, person.folder, person.environment, size=size) as found:
        yield found


class Three:
    """The three editors, with one file open in each."""

    def __init__(
        self,
        person: Person,
        code_server: CodeServer,
        *,
        file: str = "login.py",
        size: tuple[int, int] = (110, 34),
    ) -> None:
        self._person, self._code_server = person, code_server
        self._file, self._size = file, size
        self._stacks: dict[str, ExitStack] = {}
        self.neovim: Screen
        self.emacs: Screen
        self.vscode: Window

    def open(self, editor: str) -> None:
        """Open one of them."""
        stack = self._stacks[editor] = ExitStack()
        if editor == "neovim":
            self.neovim = stack.enter_context(neovim(self._person, self._file, self._size))
        elif editor == "emacs":
            self.emacs = stack.enter_context(emacs(self._person, self._file, self._size))
        else:
            self.vscode = stack.enter_context(self._code_server.window(self._person.folder))
            self.vscode.opens(self._file)

    def kill(self, editor: str) -> None:
        """Kill one of them, as a crash does."""
        if editor != "vscode":
            screen = self.neovim if editor == "neovim" else self.emacs
            os.kill(screen.pid, signal.SIGKILL)
        self._stacks.pop(editor).close()

    def close(self) -> None:
        """Close those that are open."""
        for stack in self._stacks.values():
            stack.close()

    def show(self, session: str) -> None:
        """Wait until all that are open show a session."""
        if "neovim" in self._stacks:
            self.neovim.wait_for(f"tenets: {session}")
        if "emacs" in self._stacks:
            self.emacs.wait_for(f"tenets: {session}")
        if "vscode" in self._stacks:
            expect(self.vscode.status).to_contain_text(session)

    def emacs_runs(self, command: str) -> None:
        """Run a command in Emacs, once it asks for one.

        After a command of M-x, Emacs waits to suggest a shorter name (`suggest-key-bindings`). An
        M-x in that time may lose the keys that come with it, without any package, too.
        """
        self.emacs.types("M-x")
        self.emacs.wait_for("M-x")
        self.emacs.types_text(command)
        self.emacs.wait_for(f"M-x {command}")
        self.emacs.types("Enter")

    def switch(self, editor: str, session: str) -> None:
        """Switch in one of them."""
        if editor == "neovim":
            self.neovim.types_text(f":Tenets switch {session}\r")
        elif editor == "emacs":
            self.emacs_runs("tenets-switch")
            self.emacs.wait_for("Switch to")
            self.emacs.types_text(f"{session}\r")
        else:
            self.vscode.runs("Tenets: Switch Session")
            self.vscode.pick(session)
