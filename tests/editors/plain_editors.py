"""Editors without a plugin, with the configuration of ``client_examples/README.md``.

Each has the same methods, for what a person does: see :class:`PlainEditor`.
"""

from __future__ import annotations

import abc
import json
import re
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from editors import linter, recorder
from editors.neovim_support import neovim_program
from editors.screen import DEADLINE, Screen
from support.people import Person

CONFIGURATIONS: Final = Path(__file__).parents[2] / "client_examples" / "README.md"
NOTE: Final = "billing · code"
"""How the heading of a note begins that was added to ``billing``."""
SOURCE: Final = "import os\n\n\ndef log_in(user):\n    token = fetch(user)\n    return token\n"


def configuration(heading: str, number: int = 0) -> str:
    """Return a block of code that stands under a heading of the page for all editors."""
    _, found, rest = CONFIGURATIONS.read_text().partition(f"\n## {heading}")
    assert found, f"{CONFIGURATIONS} has no heading: {heading}"
    block = re.findall(r"```\w+\n(.*?)```", rest.partition("\n## ")[0], re.DOTALL)[number]
    return str(block)


def installed(name: str, how: str) -> str:
    """Return a program on the PATH. Its absence is a failure, for then nothing has been tested."""
    found = shutil.which(name)
    if found is None:
        problem = f"{name} is not on the PATH, and these tests are about it: {how}"
        pytest.fail(problem, pytrace=False)
    return found


class Conversation:
    """What an editor and one server have said to each other."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def messages(self, sender: str) -> list[dict[str, Any]]:
        """Return all that ``"editor"`` or ``"server"`` has said."""
        written = self._file.read_text().split("\n")[:-1] if self._file.exists() else []
        said = [json.loads(line) for line in written]
        return [one["message"] for one in said if one["from"] == sender]

    def asked(self, method: str) -> list[Any]:
        """Return the params of what the editor has sent."""
        return [one["params"] for one in self.messages("editor") if one.get("method") == method]

    def ran(self) -> list[str]:
        """Return the names of the commands that the editor has run."""
        return [params["command"] for params in self.asked("workspace/executeCommand")]

    def errors(self) -> list[Any]:
        """Return the server's replies that are errors."""
        return [one for one in self.messages("server") if "error" in one]

    def wait_for(self, method: str) -> None:
        """Wait until the editor has sent a message."""
        end = time.monotonic() + DEADLINE
        while not self.asked(method):
            assert time.monotonic() < end, f"the editor has not sent {method}"
            time.sleep(0.05)  # there is nothing to wait for but the file


class PlainEditor(abc.ABC):
    """An editor on a screen, with a file of Python in it, beside a linter."""

    file: ClassVar[str] = "login.py"
    is_beside_linter: ClassVar[bool] = True
    opens_files: ClassVar[bool] = False

    screen: Screen

    def __init__(self, person: Person, conversation: Conversation) -> None:
        self.person, self.conversation = person, conversation

    @abc.abstractmethod
    def command(self) -> list[str]:
        """Write the configuration; return the command line."""

    def wait_until_ready(self) -> None:
        """Wait until both servers know the file."""
        self.conversation.wait_for("textDocument/didOpen")
        if self.is_beside_linter:
            self.screen.wait_for(linter.PROBLEM)

    def types(self, *keys: str) -> None:
        """Type keys, by tmux's names of them."""
        self.screen.types(*keys)

    def enters(self, line: str) -> None:
        """Type a line into the editor's prompt for commands."""
        self.types(":")
        self.screen.types_text(line)
        self.types("Enter")

    def picks(self, title: str, prompt: str) -> None:
        """Pick from a numbered list, once it is there; ``prompt`` is what it ends with."""
        shown = self.screen.wait_for(lambda text: title in text and prompt in text)
        line = next(line for line in shown.splitlines() if title in line)
        match = re.match(r"\W*(\d+)", line)
        assert match is not None, line
        self.types(match[1])
        # In one go they would be lost: the list takes the keys that come once it is drawn.
        self.screen.wait_for(f"{prompt} {match[1]}")
        self.types("Enter")

    @abc.abstractmethod
    def adds_lines(self, first: int, last: int) -> None:
        """Add lines to the current session."""

    @abc.abstractmethod
    def inserts_line_above(self) -> None:
        """Insert a line at the top of the file, without saving."""

    @abc.abstractmethod
    def reads_line(self, line: int) -> None:
        """Read what the linter has to say of a line, and the notes of it, where both are shown."""

    def sees_annotation(self, text: str) -> None:
        """Wait until a note is drawn in the file; most editors draw none."""
        assert text

    @abc.abstractmethod
    def finds(self, word: str) -> None:
        """Search for a note, and go to the first one."""

    @abc.abstractmethod
    def tells_line(self, line: int) -> None:
        """Fail unless the cursor gets to a line."""

    @abc.abstractmethod
    def lists_actions(self) -> None:
        """Have the code actions shown."""

    @abc.abstractmethod
    def switches(self, name: str) -> None:
        """Switch to a session."""

    @abc.abstractmethod
    def pins(self) -> None:
        """Pin the file to the current session."""

    @abc.abstractmethod
    def opens_session(self) -> None:
        """Open the current session as Markdown."""


class Vi(PlainEditor):
    """What Vim and Neovim have in common."""

    def inserts_line_above(self) -> None:
        self.enters("call append(0, '# one more')")

    def tells_line(self, line: int) -> None:
        self.enters("echo 'at' line('.')")
        self.screen.wait_for(f"at {line}")


class Neovim(Vi):
    """The Neovim on the PATH, 0.7.2 or newer; 0.7.2 shows the hover of one server only."""

    which: ClassVar[str] = "on the PATH"
    heading: ClassVar[str] = "Neovim 0.7.2"
    prompt: ClassVar[str] = "(q or empty cancels):"

    def command(self) -> list[str]:
        # Another language server, and lenses as the page has them.
        script = f"""
            vim.o.swapfile, vim.o.shortmess, vim.o.more = false, "aoOtTIcF", false
            vim.diagnostic.config({{ virtual_text = true }})
            vim.api.nvim_create_autocmd("BufReadPost", {{
              callback = function(event)
                vim.lsp.buf_attach_client(event.buf, vim.lsp.start_client({{
                  name = "linter", cmd = {{ "linter" }}, root_dir = vim.fn.getcwd(),
                }}))
              end,
            }})
            {self.with_lenses(configuration(self.heading))}
        """
        file = self.person.home / "init.lua"
        file.write_text(script)
        return [neovim_program(self.which), "-u", str(file), "-i", "NONE", self.file]

    def with_lenses(self, configuration: str) -> str:
        """Return a configuration that has notes drawn, too."""
        return configuration.replace("hover = false", 'hover = false, annotations = "lens"')

    def enters(self, line: str) -> None:
        # C-u: with a selection, the prompt has its range, and some commands run for each line.
        self.types(":", "C-u")
        self.screen.types_text(line)
        self.types("Enter")

    def lua(self, call: str) -> None:
        """Run a function of Neovim's client."""
        self.enters(f"lua vim.lsp.{call}")

    def adds_lines(self, first: int, last: int) -> None:
        self.enters(f"{first}")
        self.types("V", f"{last}", "G")
        self.lists_actions_of_selection()
        self.picks(f"Add lines {first}-{last}", self.prompt)

    def lists_actions_of_selection(self) -> None:
        """Have the code actions shown that are for the lines which are selected."""
        self.lua("buf.range_code_action()")

    def reads_line(self, line: int) -> None:
        self.enters(f"{line}")
        self.lua("buf.hover()")
        self.screen.wait_for(linter.HOVER)
        self.reads_note()

    def reads_note(self) -> None:
        """Read the note of the line that has just been hovered over."""
        self.lists_actions()
        self.picks("Read the note", self.prompt)
        # Of a message of several lines it shows the last one; `:messages` has all.
        self.screen.wait_for(lambda text: text.rstrip().endswith("token = fetch(user)"))
        self.enters("messages")
        self.screen.wait_for("LSP[tenets][Info] def log_in(user):")

    def sees_annotation(self, text: str) -> None:
        self.lua("codelens.refresh()")
        self.screen.wait_for(text)

    def finds(self, word: str) -> None:
        self.lua(f"buf.workspace_symbol('{word}')")
        self.screen.wait_for("login.py|")
        self.enters("cc 1")

    def lists_actions(self) -> None:
        self.lua("buf.code_action()")

    def switches(self, name: str) -> None:
        self.lists_actions()
        self.picks("Switch session ...", self.prompt)
        self.screen.wait_for("Switch to which session?")
        self.picks(name, self.prompt)

    def pins(self) -> None:
        self.lists_actions()
        self.picks("Pin this file", self.prompt)

    def opens_session(self) -> None:
        self.lists_actions()
        self.picks("as Markdown", self.prompt)


class NewestNeovim(Neovim):
    """The newest Neovim."""

    which = "newest"
    heading = "Neovim 0.11"
    opens_files = True

    def with_lenses(self, configuration: str) -> str:
        return configuration.replace("= true", '= { annotations = "lens" }')

    def reads_note(self) -> None:
        self.screen.wait_for(NOTE)

    def lists_actions_of_selection(self) -> None:
        """Have the code actions shown that are for the lines which are selected."""
        self.types("g", "r", "a")


class VimWithAle(Vi):
    """Vim 9 with ALE, as Debian has them."""

    def command(self) -> list[str]:
        script = f"""
set nocompatible noswapfile nomore shortmess=aoOtTIcF
packadd! ale
filetype plugin on
call ale#linter#Define('python', {{
\\   'name': 'linter', 'lsp': 'stdio', 'executable': 'linter', 'command': '%e',
\\   'project_root': {{-> getcwd()}},
\\}})
{configuration("Vim 9 with ALE").replace("'pylsp'", "'linter'")}
"""
        file = self.person.home / "vimrc"
        file.write_text(script)
        vim = installed("vim", "Debian and Ubuntu: apt-get install vim-nox vim-ale")
        return [vim, "-u", str(file), "-i", "NONE", self.file]

    def adds_lines(self, first: int, last: int) -> None:
        self.enters(f"{first},{last}TenetsAdd")

    def reads_line(self, line: int) -> None:
        self.enters(f"{line}")
        self.enters("ALEHover")
        self.screen.wait_for(linter.HOVER)
        self.enters("TenetsShow")
        self.screen.wait_for("tenets: def log_in(user):")

    def finds(self, word: str) -> None:
        self.enters(f"ALESymbolSearch {word}")
        self.screen.wait_for("login.py:")
        self.types("Enter")

    def lists_actions(self) -> None:
        self.enters("ALECodeAction")

    def switches(self, name: str) -> None:
        self.enters(f"TenetsSwitch {name}")

    def pins(self) -> None:
        self.enters("TenetsPin")

    def opens_session(self) -> None:
        self.enters("TenetsOpen")


class Helix(PlainEditor):
    """Helix 25.07."""

    opens_files = True

    def command(self) -> list[str]:
        folder = self.person.home / ".config" / "helix"
        folder.mkdir(parents=True)
        languages = configuration("Helix").replace('"pylsp"', '"linter"')
        languages = languages.replace("= true", '= { annotations = "hint" }')
        (folder / "languages.toml").write_text(
            f'{languages}\n[language-server.linter]\ncommand = "linter"\n'
        )
        (folder / "config.toml").write_text(configuration("Helix", 1))
        return [installed("hx", "install Helix 25.07; .ci/run has it from Debian's sid"), self.file]

    def adds_lines(self, first: int, last: int) -> None:
        self.enters(f"{first}")
        self.types(*["x"] * (last - first + 1))
        self.picks_action(f"Add lines {first}-{last}")

    def picks_action(self, title: str) -> None:
        """Pick a code action."""
        self.lists_actions()
        # First are those of the server that answered first.
        self.picks_from_menu(title, linter.ACTION, "Add line")

    def picks_from_menu(self, title: str, *others: str) -> None:
        """Pick from a menu that has ``others``, too; its first line is selected, one of them."""
        wanted = (title, *others)
        shown = self.screen.wait_for(lambda text: all(one in text for one in wanted)).splitlines()
        numbers = [
            number for number, line in enumerate(shown) if any(one in line for one in wanted)
        ]
        (target,) = [number for number, line in enumerate(shown) if title in line]
        self.types(*["Down"] * (target - min(numbers)), "Enter")

    def inserts_line_above(self) -> None:
        self.enters("1")
        self.enters("insert-output printf '# one more\\n\\n'")

    def reads_line(self, line: int) -> None:
        self.enters(f"{line}")
        self.types("Space", "k")
        shown = self.screen.wait_for("[1/2]")
        # First is that of the server that answered first.
        second = linter.HOVER if NOTE in shown else NOTE
        assert (linter.HOVER in shown) is (second == NOTE)
        self.types("M-n")
        self.screen.wait_for(second)
        self.types("Escape")

    def sees_annotation(self, text: str) -> None:
        self.screen.wait_for(text)

    def finds(self, word: str) -> None:
        self.enters("1")
        self.types("Space", "S")
        self.screen.wait_for("0/0")
        self.screen.types_text(word)
        self.screen.wait_for("> string")
        self.types("Enter")

    def tells_line(self, line: int) -> None:
        self.screen.wait_for(lambda text: re.search(rf" {line}:\d+\s", text) is not None)

    def lists_actions(self) -> None:
        self.types("Space", "a")

    def switches(self, name: str) -> None:
        self.enters("lsp-workspace-command tenets.session.switch")
        self.picks_from_menu(name, "(current)")

    def pins(self) -> None:
        self.picks_action("Pin this file")

    def opens_session(self) -> None:
        self.picks_action("as Markdown")


class Eglot(PlainEditor):
    """Emacs with eglot, whose buffers have one server each: there is no linter."""

    file = "login.txt"
    is_beside_linter = False

    def command(self) -> list[str]:
        quiet = (
            "(setq make-backup-files nil auto-save-default nil create-lockfiles nil"
            " inhibit-startup-screen t)\n"
        )
        file = self.person.home / "init.el"
        file.write_text(quiet + configuration("Emacs with eglot"))
        emacs = installed("emacs", "Debian and Ubuntu: apt-get install emacs-nox elpa-eglot")
        return [emacs, "-nw", "-q", "-l", str(file), self.file]

    def enters(self, line: str) -> None:
        """Run a command by its name."""
        self.types("M-x")
        self.screen.wait_for("M-x")
        self.screen.types_text(line)
        self.types("Enter")

    def goes_to(self, line: int) -> None:
        """Move to a line."""
        self.enters("goto-line")
        self.screen.wait_for("Goto line")
        self.screen.types_text(f"{line}")
        self.types("Enter")

    def picks_action(self, title: str) -> None:
        """Pick a code action."""
        self.lists_actions()
        self.screen.wait_for("Pick an action")
        self.screen.types_text(title)
        self.types("Tab", "Enter")

    def adds_lines(self, first: int, last: int) -> None:
        self.goes_to(first)
        self.types("C-Space", *["C-n"] * (last - first + 1))
        self.picks_action(f"Add lines {first}-{last}")

    def inserts_line_above(self) -> None:
        self.goes_to(1)
        self.types("C-o")
        self.screen.types_text("# one more")

    def reads_line(self, line: int) -> None:
        self.goes_to(line)
        self.screen.wait_for(NOTE)

    def finds(self, word: str) -> None:
        self.goes_to(1)
        self.enters("xref-find-apropos")
        self.screen.wait_for("Search for pattern")
        self.screen.types_text(word)
        self.types("Enter")
        self.screen.wait_for("*xref*")
        self.types("n", "Enter")

    def tells_line(self, line: int) -> None:
        self.screen.wait_for(lambda text: re.search(rf"L{line}\b", text) is not None)

    def lists_actions(self) -> None:
        self.enters("eglot-code-actions")

    def switches(self, name: str) -> None:
        self.picks_action(f"Switch to {name}")

    def pins(self) -> None:
        self.picks_action("Pin this file")

    def opens_session(self) -> None:
        self.picks_action("Open")


EDITORS: Final[Sequence[type[PlainEditor]]] = (Neovim, NewestNeovim, VimWithAle, Helix, Eglot)


def on_the_path(person: Person, name: str, conversation: Path, command: Sequence[str]) -> None:
    """Have a program on a person's PATH that is a server, with what is said to it written down."""
    folder = person.home / "bin"
    folder.mkdir(exist_ok=True)
    line = [sys.executable, recorder.__file__, str(conversation), *command]
    program = folder / name
    program.write_text(f'#!/bin/sh\nexec {shlex.join(line)} "$@"\n')
    program.chmod(0o755)
