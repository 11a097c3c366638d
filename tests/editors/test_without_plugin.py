"""Editors without a plugin, on their screens, beside another language server."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from editors import linter
from editors.neovim_support import neovim_program
from editors.screen import Screen
from support import shared
from support.people import Person

pytestmark = pytest.mark.editors

SOURCE = "import os\n\n\ndef log_in(user):\n    token = fetch(user)\n    return token\n"
# As client_examples/README.md has it for each version, with another server beside it.
CONFIGURATION = """
vim.o.swapfile, vim.o.shortmess, vim.o.more = false, "aoOtTIcF", false
vim.diagnostic.config({ virtual_text = true })
local root = vim.fn.getcwd()
local attached = 0
local function ready()
  attached = attached + 1
  if attached == 2 then vim.o.statusline = "%f both attached" end
end
local function start(name, cmd, options)
  return vim.lsp.start_client({
    name = name, cmd = cmd, init_options = options, root_dir = root, on_attach = ready,
  })
end
vim.api.nvim_create_autocmd({ "BufReadPost" }, {
  callback = function(event)
    vim.lsp.buf_attach_client(event.buf, start("linter", { vim.env.PYTHON, vim.env.LINTER }))
    vim.lsp.buf_attach_client(event.buf, start("tenets",
      { vim.env.PYTHON, "-m", "tenets_session_server", "--database", vim.env.DATABASE },
      { editorFeatures = { annotations = "lens" } }))
  end,
})
vim.keymap.set("n", "K", vim.lsp.buf.hover)
vim.keymap.set("n", "ga", vim.lsp.buf.code_action)
vim.keymap.set("x", "ga", function()
  if vim.fn.has("nvim-0.8") == 1 then vim.lsp.buf.code_action()
  else vim.cmd([[execute "normal! \\<Esc>"]]) vim.lsp.buf.range_code_action() end
end)
vim.keymap.set("n", "gs", function() vim.lsp.buf.workspace_symbol("token") end)
vim.keymap.set("n", "gl", function() vim.lsp.codelens.refresh() end)
"""


@pytest.fixture(params=["on the PATH", "newest"])
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def screen(program: str, database: Path, tmp_path: Path, person: Person) -> Iterator[Screen]:
    configuration = tmp_path / "init.lua"
    configuration.write_text(CONFIGURATION)
    environment = {
        **person.environment,
        "PYTHON": sys.executable,
        "LINTER": linter.__file__,
        "DATABASE": str(database),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    command = shlex.join(
        [neovim_program(program), "-u", str(configuration), "-i", "NONE", "login.py"]
    )
    # The path of a socket has 107 bytes at most.
    socket = Path(os.environ["XDG_RUNTIME_DIR"]) / f"{program[:3]}.tmux"
    with Screen.opened(command, person.folder, socket, environment) as found:
        yield found
    shared.stop(database)


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Person:
    found = Person(database, tmp_path / "app")
    (found.folder / "login.py").write_text(SOURCE)
    found.does("create", "--switch", "billing")
    return found


def ready(text: str) -> bool:
    return linter.PROBLEM in text and "both attached" in text


def test_notes_are_taken_and_read_beside_a_linter(
    screen: Screen, person: Person, program: str
) -> None:
    screen.wait_for(ready)
    # Both servers' actions, and both by their names.
    screen.types("4", "G", "V", "j", "g", "a")
    shown = screen.wait_for("Add lines 4-5 to billing")
    assert linter.ACTION in shown
    assert "Switch session ..." in shown
    number = next(line for line in shown.splitlines() if "Add lines 4-5" in line).split(":")[0]
    screen.types(number.strip(), "Enter")
    screen.wait_for("Added lines 4-5 to billing")
    (entry,) = person.gets("show", "billing")["entries"]
    assert entry["location"]["range"]["start"]["line"] == 3
    screen.types("Enter", "Escape")
    # Lines above it: the note moves, before anything is saved.
    screen.types("g", "g", "O", "# one more", "Escape")
    screen.types("g", "l")
    shown = screen.wait_for("✎ def log_in(user): · billing")
    assert linter.PROBLEM in shown, "the linter's sign and text stay"
    screen.types("6", "G", "K")
    shown = screen.wait_for(linter.HOVER)
    if program == "newest":  # 0.7.2 shows the reply of one server, the first one's
        assert "billing · code" in shown
    # With two replies, 0.7.2 goes into the hover of the first one.
    screen.types(":wincmd t | only", "Enter")
    screen.wait_for(lambda text: linter.HOVER not in text)
    screen.types("g", "s")
    screen.wait_for(lambda text: "def log_in(user)" in text and "— billing" in text)


def test_a_session_is_switched_by_a_menu(screen: Screen, person: Person) -> None:
    person.does("create", "review")
    screen.wait_for(ready)
    screen.types("g", "a")
    shown = screen.wait_for("Switch session ...")
    number = next(line for line in shown.splitlines() if "Switch session" in line).split(":")[0]
    screen.types(number.strip(), "Enter")
    shown = screen.wait_for("Switch to which session?")
    number = next(line for line in shown.splitlines() if line.strip().endswith("review"))
    screen.types(number.strip().split(".")[0].split(":")[0], "Enter")
    screen.wait_for("Active session: review")
    assert person.does("prompt") == "review\n"
