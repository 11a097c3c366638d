"""The Neovim example's status line: it follows what is done here, and what others announce."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from editors import neovim_support
from editors.neovim_support import Neovim, Opener, ServerProgram
from editors.stored import context, stored
from support.foreign import ForeignWriter

pytestmark = pytest.mark.editors


def test_the_status_line_follows(nvim: Neovim) -> None:
    assert nvim.lua("return require('tenets').statusline()") == ""
    nvim.lua("""vim.o.statusline = "%f [%{v:lua.require'tenets'.statusline()}]" """)

    def shown(text: str) -> None:
        drawn = "vim.api.nvim_eval_statusline(vim.o.statusline, {}).str"
        nvim.wait_for(f"{drawn} == args[1]", f"[No Name] [{text}]")

    shown("")
    nvim.command("Tenets create 100%f sure")
    shown("tenets: 100%f sure")
    nvim.command("Tenets create b")
    shown("tenets: b")
    nvim.command("Tenets exit 100%f sure")
    nvim.wait_until_told(
        "tenets: created and activated 100%f sure\n"
        "tenets: created and activated b\n"
        "tenets: left 100%f sure"
    )
    shown("tenets: b")
    nvim.command("Tenets switch 100%f sure")
    shown("tenets: 100%f sure")
    nvim.command("Tenets exit")
    shown("")


def test_a_new_neovim_shows_what_is_active(opened: Opener, database: Path) -> None:
    with stored(database) as db:
        db.create_session("from before")
        db.set_active("from before", True)
    with opened() as nvim:
        nvim.lua("require('tenets').setup{}")
        nvim.wait_until_status_is("tenets: from before")
        # It is none of Neovim's language servers, which are for buffers.
        assert nvim.lua("return vim.lsp.get_client_by_id(1) == nil")


def test_a_configuration_is_notified_of_changes(opened: Opener) -> None:
    with opened() as nvim:
        nvim.lua("""
            seen = {}
            require('tenets').setup{
                on_change = function(name)
                    table.insert(seen, name or 'none')
                    if name == 'bad' then error('a mistake of the user', 0) end
                end,
            }
        """)
        for name in ("a", "bad"):
            nvim.command(f"Tenets create {name}")
            nvim.wait_until_status_is(f"tenets: {name}")
        nvim.wait_until_told(
            "tenets: created and activated a\n"
            "tenets: created and activated bad\n"
            "tenets: on_change: a mistake of the user"
        )
        nvim.command("Tenets exit")
        nvim.wait_until_told("tenets: left bad")
        assert nvim.lua("return seen") == ["a", "bad", "none"]


def test_two_neovims_share_sessions(opened: Opener, server: ServerProgram, database: Path) -> None:
    with opened() as one, opened() as other:
        for nvim in (one, other):
            nvim.lua("require('tenets').setup{}")
        one.command("Tenets create from one")
        one.wait_until_told("tenets: created and activated from one")
        other.command("Tenets")
        other.wait_until_told("tenets: from one (active in every editor)")
        other.wait_until_status_is("tenets: from one")
        other.command("Tenets create from the other")
        other.wait_until_told("tenets: created and activated from the other")
        one.command("Tenets list")
        one.wait_until_told("* from the other\n  from one")
        one.wait_until_status_is("tenets: from the other")
        one.command("TenetsAdd")
        one.wait_until_told("tenets: added [No Name]:1-1 to from the other")
        assert len(server.pids()) == 2
    server.wait_until_all_ended()
    assert context(database) == [("from the other", "code", "[No Name]:1-1\n")]


def test_the_status_line_follows_others_without_a_command(
    opened: Opener, server: ServerProgram, database: Path
) -> None:
    with opened() as one, opened() as other:
        for nvim in (one, other):
            nvim.lua("require('tenets').setup{}")
        one.command("Tenets create from one")
        other.wait_until_status_is("tenets: from one")
        with ForeignWriter(database) as command_line:
            command_line.create("from a terminal")
            command_line.set_active("from a terminal")
            for nvim in (one, other):
                nvim.wait_until_status_is("tenets: from a terminal")
            command_line.delete("from a terminal")
            for nvim in (one, other):
                nvim.wait_until_status_is("")
    server.wait_until_all_ended()


def test_the_readmes_configuration_works(opened: Opener) -> None:
    readme = (neovim_support.EXAMPLE / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```lua\n(.*?)^ *```$", readme, re.DOTALL | re.MULTILINE)
    configuration = "".join(text for _, text in blocks if not text.lstrip().startswith("{"))
    assert configuration.count("\n") == 3
    with opened() as nvim:
        nvim.command("set rtp-=" + str(neovim_support.EXAMPLE))
        here = str(neovim_support.EXAMPLE.parents[1])
        nvim.lua(configuration.replace("/path/to", here))
        nvim.command("Tenets create s")
        drawn = "vim.api.nvim_eval_statusline(vim.o.statusline, {}).str"
        nvim.wait_for(f"{drawn}:find('tenets: s$')")


Announce = Callable[..., None]


@pytest.fixture
def parrot(opened: Opener) -> Iterator[Neovim]:
    """A Neovim whose server is :func:`~editors.neovim_support.parrot`; its revision is 5."""
    with opened() as nvim:
        nvim.lua(
            """
            seen = {}
            local function on_change(name) table.insert(seen, name or "none") end
            require('tenets').setup{ cmd = {...}, on_change = on_change }
        """,
            sys.executable,
            neovim_support.__file__,
        )
        nvim.wait_until_told("tenets: a parrot serves you")
        yield nvim


@pytest.fixture
def announce(parrot: Neovim) -> Announce:
    """Let the server send ``didChange``; return when it has been heeded."""

    def send(revision: object, active: str | None) -> None:
        session = None if active is None else {"id": 1, "name": active, "active": True}
        params = {"revision": revision, "changes": [], "active": session}
        parrot.lua("vim.fn.setline(1, ...)", json.dumps(params))
        parrot.command("TenetsAdd it")
        parrot.wait_until_told("tenets: added [No Name]:1-1 to it")

    return send


def test_announced_changes_are_heeded_in_order(parrot: Neovim, announce: Announce) -> None:
    announce(5, "as old as the handshake")
    announce(6, "six")
    parrot.wait_until_status_is("tenets: six")
    announce(8, "eight")
    announce(7, "seven came late")
    announce(8, "eight again")
    parrot.wait_until_status_is("tenets: eight")
    announce("9", "not a number")
    announce(10, None)
    parrot.wait_until_status_is("")
    announce(11, "eleven")
    assert parrot.lua("return seen") == ["six", "eight", "none", "eleven"]


def test_a_warning_of_the_server_is_shown_once(parrot: Neovim) -> None:
    neovim = parrot.process.pid
    (server,) = Path(f"/proc/{neovim}/task/{neovim}/children").read_text().split()
    os.kill(int(server), signal.SIGKILL)
    parrot.wait_until_told("tenets: the server has ended (signal 9); it is started again")
    parrot.lua("vim.fn.setline(1, '{}')")
    parrot.command("TenetsAdd it")
    added = "tenets: added [No Name]:1-1 to it"
    parrot.wait_for("vim.fn.execute('messages'):find(args[1], 1, true)", added)
    assert "a parrot serves you" not in parrot.messages()


def test_an_announced_change_redraws_the_status_line(parrot: Neovim, announce: Announce) -> None:
    parrot.lua("""
        drawn = {}
        function _G.draw()
            table.insert(drawn, require('tenets').statusline())
            return ''
        end
        vim.o.laststatus = 2
        vim.o.statusline = '%{v:lua.draw()}'
    """)
    announce(6, "six")
    parrot.wait_for("vim.tbl_contains(drawn, 'tenets: six')")
