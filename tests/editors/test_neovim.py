"""The Neovim example: a real headless Neovim, the installed server and a real database file.

What Neovim is told over its socket is what a user types or a configuration says; what is then
expected is what the user sees, and what another program finds in the database. Only the tests of
``didChange`` use a server of their own, so that they decide what is announced and when.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from editors import neovim_support
from editors.neovim_support import Neovim, ServerProgram, neovim_program
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

pytestmark = pytest.mark.editors

Opener = Callable[..., AbstractContextManager[Neovim]]

NONE_ACTIVE: Final = (
    "tenets: nothing added: no session is active; :TenetsSession switch to one, or :TenetsAdd NAME"
)


@pytest.fixture(params=["on the PATH", "newest"])
def program(request: pytest.FixtureRequest) -> str:
    """Each Neovim in turn."""
    return neovim_program(request.param)


@pytest.fixture
def server(tmp_path: Path, server_command: list[str]) -> Iterator[ServerProgram]:
    """The installed server, as ``tenets-session-server`` on the PATH."""
    found = ServerProgram(tmp_path / "bin", server_command)
    yield found
    found.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder that Neovim is started in."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def opened(program: str, project: Path, server: ServerProgram) -> Opener:
    """Open a Neovim that finds the server on its PATH."""

    def open_neovim(path: str | None = None) -> AbstractContextManager[Neovim]:
        default = f"{server.path.parent}{os.pathsep}{os.environ['PATH']}"
        return Neovim.opened(program, project, default if path is None else path)

    return open_neovim


@pytest.fixture
def nvim(opened: Opener, server: ServerProgram) -> Iterator[Neovim]:
    """A Neovim with ``setup{}`` in its configuration; afterwards its server has to be gone."""
    with opened() as neovim:
        neovim.lua("require('tenets_session').setup{}")
        yield neovim
    server.wait_until_all_ended()


def stored(database: Path) -> SessionDB:
    """Return the product's own view of the file."""
    return SessionDB(TenetsConfig(database=database))


def active_name(database: Path) -> str | None:
    """Return the name of the session that is active in the file."""
    with stored(database) as db:
        active = db.get_active_session()
        return None if active is None else active.name


def names(database: Path) -> list[str]:
    """Return the names of all sessions in the file, newest first."""
    with stored(database) as db:
        return [session.name for session in db.list_sessions()]


def context(database: Path) -> list[tuple[object, ...]]:
    """Return all context in the file: session, kind and content."""
    with stored(database) as db:
        rows = db.db.run(
            "SELECT s.name, c.kind, c.content FROM session_context c"
            " JOIN sessions s ON s.id = c.session_id ORDER BY c.id"
        )
        return [tuple(row) for row in rows]


def test_a_user_types_commands(nvim: Neovim, database: Path) -> None:
    nvim.type(":TenetsSession create refactor the parser<CR>")
    nvim.wait_until_told("tenets: created and activated refactor the parser")
    assert active_name(database) == "refactor the parser"
    nvim.type(':TenetsSession create bug 4711: a | "b"<CR>')
    nvim.wait_until_told('tenets: created and activated bug 4711: a | "b"')
    assert active_name(database) == 'bug 4711: a | "b"'
    nvim.type(":TenetsSession sw<Tab> refactor the p<Tab><CR>")
    nvim.wait_until_told("tenets: switched to refactor the parser")
    assert active_name(database) == "refactor the parser"
    nvim.type(":TenetsSession list<CR>")
    nvim.wait_until_told('  bug 4711: a | "b"\n* refactor the parser')
    nvim.type(":TenetsSession<CR>")
    nvim.wait_until_told("tenets: the active session is refactor the parser")
    nvim.type(":TenetsSession exit<CR>")
    nvim.wait_until_told("tenets: left refactor the parser")
    assert active_name(database) is None
    nvim.type(":TenetsSession<CR>")
    nvim.wait_until_told("tenets: no session is active")
    nvim.type(":TenetsSession exit<CR>")
    nvim.wait_until_told("tenets: no session is active")
    assert names(database) == ['bug 4711: a | "b"', "refactor the parser"]


def test_a_named_session_is_left(nvim: Neovim, database: Path) -> None:
    nvim.command("TenetsSession create one of them")
    nvim.wait_until_told("tenets: created and activated one of them")
    nvim.command("TenetsSession create another")
    nvim.wait_until_told("tenets: created and activated another")
    nvim.command("TenetsSession exit one of them")
    nvim.wait_until_told("tenets: left one of them")
    assert active_name(database) == "another"
    nvim.command("TenetsSession exit   another  ")
    nvim.wait_until_told("tenets: left another")
    assert active_name(database) is None


def test_commands_and_names_are_completed(nvim: Neovim, database: Path) -> None:
    assert nvim.completions("TenetsSession ") == ["create", "exit", "list", "switch"]
    assert nvim.completions("TenetsSession e") == ["exit"]
    assert nvim.completions("TenetsSession nothing") == []
    nvim.wait_for("#vim.fn.getcompletion('TenetsSession switch ', 'cmdline') == 0")
    with stored(database) as db:
        for name in ("plain", "two words", "two wishes and more"):
            db.create_session(name)
    nvim.command("TenetsSession list")
    nvim.wait_until_told("  two wishes and more\n  two words\n  plain")
    for command in ("TenetsSession switch", "TenetsSession exit", "TenetsAdd", "1,2TenetsAdd"):
        assert nvim.completions(f"{command} ") == ["two wishes and more", "two words", "plain"]
        assert nvim.completions(f"{command} p") == ["plain"]
        # Neovim replaces the last word only.
        assert nvim.completions(f"{command} two w") == ["wishes and more", "words"]
        assert nvim.completions(f"{command} two wo") == ["words"]
        assert nvim.completions(f"{command} two words ") == []
    assert nvim.completions("TenetsSession create t") == []
    assert nvim.completions("TenetsSession list t") == []


def test_completion_knows_what_others_have_just_created(nvim: Neovim, database: Path) -> None:
    nvim.command("TenetsSession create mine")
    nvim.wait_until_told("tenets: created and activated mine")
    with stored(database) as db:
        db.create_session("theirs")
    # Each completion asks again, and waits for a moment only; so a slow answer is in the next.
    nvim.wait_for("vim.fn.getcompletion('TenetsSession switch t', 'cmdline')[1] == 'theirs'")


def test_all_pages_are_listed(nvim: Neovim, database: Path) -> None:
    nvim.command("TenetsSession list")
    nvim.wait_until_told("tenets: there are no sessions")
    with stored(database) as db, db.db.transaction():
        for number in range(250):
            db.create_session(f"s{number:04}")
    nvim.command("TenetsSession list")
    nvim.wait_until_told("\n".join(f"  s{number:04}" for number in reversed(range(250))))
    assert nvim.completions("TenetsSession switch s000")[-1] == "s0000"


def test_a_list_without_end_is_cut_short(nvim: Neovim, database: Path) -> None:
    nvim.command("TenetsSession list")
    nvim.wait_until_told("tenets: there are no sessions")
    with stored(database) as db, db.db.transaction():
        for number in range(2001):
            db.create_session(f"s{number:04}")
    nvim.command("TenetsSession list")
    listed = [f"  s{number:04}" for number in reversed(range(1, 2001))]
    nvim.wait_until_told("\n".join([*listed, "  ... and older ones"]))


def test_what_the_server_refuses_is_told(nvim: Neovim, database: Path) -> None:
    nvim.lua("""
        local notify = vim.notify
        levels = {}
        vim.notify = function(message, level)
            table.insert(levels, level)
            notify(message, level)
        end
    """)
    nvim.command("TenetsSession switch nobody")
    nvim.wait_until_told("tenets: no session is named 'nobody'")
    nvim.command("TenetsSession exit nobody")
    nvim.wait_until_told("tenets: no session is named 'nobody'")
    assert nvim.lua("return levels[1] == vim.log.levels.ERROR and #levels == 2")
    nvim.command("TenetsSession create taken")
    nvim.wait_until_told("tenets: created and activated taken")
    nvim.command("TenetsSession create taken")
    nvim.wait_for("vim.fn.execute('messages'):find('taken', 1, true)")
    assert nvim.lua("return levels[#levels] == vim.log.levels.ERROR")
    nvim.command(f"TenetsSession create {'x' * 256}")
    nvim.wait_for("vim.fn.execute('messages'):find('255', 1, true)")
    assert names(database) == ["taken"]
    assert active_name(database) == "taken"


def test_mistakes_are_told(nvim: Neovim) -> None:
    # Within one Lua chunk: a mistake is no exception there.
    nvim.lua("""
        vim.cmd("TenetsSession frobnicate")
        vim.cmd("TenetsSession create")
        vim.cmd("TenetsSession switch ")
    """)
    nvim.wait_until_told(
        "tenets: no such subcommand: frobnicate; there are create, exit, list, switch\n"
        "tenets: :TenetsSession create needs the name of a session\n"
        "tenets: :TenetsSession switch needs the name of a session"
    )


def test_lines_are_added(nvim: Neovim, database: Path, project: Path) -> None:
    source = project / "lua" / "foo.lua"
    source.parent.mkdir()
    source.write_text("one\n\ttwo\n\nGrüße 🧵\nfive\n", encoding="utf-8")
    nvim.command("edit lua/foo.lua")
    nvim.command("2,4TenetsAdd the new one")
    nvim.wait_until_told("tenets: added lua/foo.lua:2-4 to the new session the new one")
    nvim.command("TenetsSession create active")
    nvim.wait_until_told("tenets: created and activated active")
    nvim.command("5TenetsAdd")
    nvim.wait_until_told("tenets: added lua/foo.lua:5-5 to active")
    nvim.type("ggVj:TenetsAdd<CR>")
    nvim.wait_until_told("tenets: added lua/foo.lua:1-2 to active")
    nvim.type("ggvj:TenetsAdd the new one<CR>")
    nvim.wait_until_told("tenets: added lua/foo.lua:1-2 to the new one")
    nvim.command(f"cd {source.parent}")
    nvim.command("%TenetsAdd")
    nvim.wait_until_told("tenets: added foo.lua:1-5 to active")
    assert context(database) == [
        ("the new one", "code", "lua/foo.lua:2-4\n\ttwo\n\nGrüße 🧵"),
        ("active", "code", "lua/foo.lua:5-5\nfive"),
        ("active", "code", "lua/foo.lua:1-2\none\n\ttwo"),
        ("the new one", "code", "lua/foo.lua:1-2\none\n\ttwo"),
        ("active", "code", "foo.lua:1-5\none\n\ttwo\n\nGrüße 🧵\nfive"),
    ]
    assert active_name(database) == "active"


def test_the_text_is_that_of_the_moment_of_the_command(nvim: Neovim, database: Path) -> None:
    # The server is only being started; all of this waits for it.
    nvim.lua("""
        vim.fn.setline(1, {"nul \\n here", "before"})
        vim.cmd("TenetsSession create s")
        vim.cmd("1,2TenetsAdd")
        vim.fn.setline(1, "after")
        vim.cmd("new")
    """)
    nvim.wait_until_told("tenets: created and activated s\ntenets: added [No Name]:1-2 to s")
    assert context(database) == [("s", "code", "[No Name]:1-2\nnul \x00 here\nbefore")]


def test_the_session_is_the_one_that_is_active_now(nvim: Neovim, database: Path) -> None:
    nvim.command("TenetsSession create mine")
    nvim.wait_until_told("tenets: created and activated mine")
    with stored(database) as db:
        db.create_session("theirs")
        db.set_active("theirs", True)
    nvim.command("TenetsAdd")
    nvim.wait_until_told("tenets: added [No Name]:1-1 to theirs")
    nvim.wait_until_status_is("tenets: theirs")


def test_what_cannot_be_added_is_told(nvim: Neovim, database: Path) -> None:
    nvim.command("TenetsAdd")
    nvim.wait_until_told(NONE_ACTIVE)
    nvim.lua("vim.fn.setline(1, 'not UTF-8: \\255')")
    nvim.command("TenetsAdd s")
    nvim.wait_until_told("tenets: addContext was not done: the text is not valid UTF-8")
    nvim.lua("vim.fn.setline(1, ('x'):rep(16 * 1024 * 1024))")
    nvim.command("TenetsAdd s")
    nvim.wait_for("vim.fn.execute('messages'):find('tenets: .*16777216')")
    assert nvim.lua("return vim.fn.execute('messages'):find('added')") is None
    assert names(database) == []


def test_the_status_line_follows(nvim: Neovim) -> None:
    assert nvim.lua("return require('tenets_session').statusline()") == ""
    nvim.lua("""vim.o.statusline = "%f [%{v:lua.require'tenets_session'.statusline()}]" """)

    def shown(text: str) -> None:
        drawn = "vim.api.nvim_eval_statusline(vim.o.statusline, {}).str"
        nvim.wait_for(f"{drawn} == args[1]", f"[No Name] [{text}]")

    shown("")
    nvim.command("TenetsSession create 100%f sure")
    shown("tenets: 100%f sure")
    nvim.command("TenetsSession create b")
    shown("tenets: b")
    nvim.command("TenetsSession exit 100%f sure")
    nvim.wait_until_told(
        "tenets: created and activated 100%f sure\n"
        "tenets: created and activated b\n"
        "tenets: left 100%f sure"
    )
    shown("tenets: b")
    nvim.command("TenetsSession switch 100%f sure")
    shown("tenets: 100%f sure")
    nvim.command("TenetsSession exit")
    shown("")


def test_a_new_neovim_shows_what_is_active(opened: Opener, database: Path) -> None:
    with stored(database) as db:
        db.create_session("from before")
        db.set_active("from before", True)
    with opened() as nvim:
        nvim.lua("require('tenets_session').setup{}")
        nvim.wait_until_status_is("tenets: from before")
        # No buffer is the server's business.
        attached = "vim.tbl_values(vim.lsp.get_client_by_id(1).attached_buffers)"
        assert nvim.lua(f"return #{attached}") == 0


def test_a_configuration_is_told_of_changes(opened: Opener) -> None:
    with opened() as nvim:
        nvim.lua("""
            seen = {}
            require('tenets_session').setup{
                on_change = function(name)
                    table.insert(seen, name or 'none')
                    if name == 'bad' then error('a mistake of the user', 0) end
                end,
            }
        """)
        for name in ("a", "bad"):
            nvim.command(f"TenetsSession create {name}")
            nvim.wait_until_status_is(f"tenets: {name}")
        nvim.wait_until_told(
            "tenets: created and activated a\n"
            "tenets: on_change: a mistake of the user\n"
            "tenets: created and activated bad"
        )
        nvim.command("TenetsSession exit")
        nvim.wait_until_told("tenets: left bad")
        assert nvim.lua("return seen") == ["a", "bad", "none"]


def test_two_neovims_share_sessions(opened: Opener, server: ServerProgram, database: Path) -> None:
    with opened() as one, opened() as other:
        for nvim in (one, other):
            nvim.lua("require('tenets_session').setup{}")
        one.command("TenetsSession create from one")
        one.wait_until_told("tenets: created and activated from one")
        other.command("TenetsSession")
        other.wait_until_told("tenets: the active session is from one")
        other.wait_until_status_is("tenets: from one")
        other.command("TenetsSession create from the other")
        other.wait_until_told("tenets: created and activated from the other")
        one.command("TenetsSession list")
        one.wait_until_told("* from the other\n  from one")
        one.wait_until_status_is("tenets: from the other")
        one.command("TenetsAdd")
        one.wait_until_told("tenets: added [No Name]:1-1 to from the other")
        assert len(server.pids()) == 2
    server.wait_until_all_ended()
    assert context(database) == [("from the other", "code", "[No Name]:1-1\n")]


def test_a_killed_server_is_told_of_once_and_started_again(
    nvim: Neovim, server: ServerProgram
) -> None:
    nvim.command("TenetsSession create s")
    nvim.wait_until_told("tenets: created and activated s")
    (first,) = server.pids()
    os.kill(first, signal.SIGKILL)
    message = "tenets: the server has ended (signal 9); the next command starts it again"
    nvim.wait_for("vim.fn.execute('messages'):find(args[1], 1, true)", message)
    assert nvim.lua("return require('tenets_session').statusline()") == ""
    assert nvim.completions("TenetsSession switch ") == []  # it starts none
    assert server.pids() == [first]
    nvim.command("TenetsSession")
    active = "tenets: the active session is s"
    nvim.wait_for("vim.fn.execute('messages'):find(args[1], 1, true)", active)
    nvim.wait_until_status_is("tenets: s")
    assert nvim.messages().count("tenets: ") == 2
    assert len(server.pids()) == 2


def test_what_is_lost_with_the_server_is_told(nvim: Neovim, server: ServerProgram) -> None:
    nvim.command("TenetsSession create s")
    nvim.wait_until_told("tenets: created and activated s")
    (first,) = server.pids()
    os.kill(first, signal.SIGSTOP)
    nvim.command("TenetsAdd s")
    os.kill(first, signal.SIGKILL)
    nvim.wait_until_told(
        "tenets: no answer, for the server has ended; addContext may or may not have been done"
    )
    nvim.command("TenetsSession list")
    nvim.wait_until_told("* s")


def test_a_missing_program_is_told(opened: Opener, project: Path) -> None:
    how = (
        "is not installed, or not on the PATH; tell where it is: "
        'require("tenets_session").setup{ cmd = { "/path/to/tenets-session-server" } }'
    )
    with opened(path="/nonexistent") as nvim:
        nvim.lua("require('tenets_session').setup{}")
        nvim.wait_until_told(f"tenets: tenets-session-server {how}")
        nvim.command("TenetsSession create s")
        nvim.wait_until_told(f"tenets: tenets-session-server {how}")
        nvim.setup(cmd=[str(project / "missing")])
        nvim.command("TenetsAdd s")
        nvim.wait_until_told(f"tenets: {project}/missing {how}")
        assert nvim.completions("TenetsSession switch ") == []


def test_a_program_that_does_not_serve_is_told(opened: Opener, project: Path) -> None:
    ends = project / "ends"
    ends.write_text("#!/bin/sh\nexit 3\n")
    cannot_run = project / "cannot-run"
    cannot_run.write_text("#!/nonexistent/interpreter\n")
    for path in (ends, cannot_run):
        path.chmod(0o755)
    with opened() as nvim:
        nvim.setup(cmd=[str(ends)])
        nvim.command("TenetsSession create s")
        nvim.wait_for(
            "vim.fn.execute('messages'):find(args[1], 1, true)",
            "tenets: no answer, for the server has ended; create was not done",
        )
        assert "tenets: the server has ended (exit status 3)" in nvim.messages()
        nvim.setup(cmd=[str(cannot_run), "--stdio"])
        nvim.command("TenetsSession create s")
        nvim.wait_until_told(f"tenets: could not start {cannot_run} --stdio")


def test_the_example_in_the_message_works(opened: Opener, server: ServerProgram) -> None:
    with opened(path="/usr/bin:/bin") as nvim:
        nvim.setup(cmd=[str(server.path)])
        nvim.command("TenetsSession create s")
        nvim.wait_until_told("tenets: created and activated s")


def test_a_database_that_cannot_be_used_is_told(
    opened: Opener, server: ServerProgram, project: Path
) -> None:
    wrong = project / "not-a-database"
    wrong.write_text("This is text, and rather more of it than a header. " * 100)
    with opened() as nvim:
        nvim.setup(cmd=[str(server.path), "--database", str(wrong)])
        nvim.wait_for("vim.fn.execute('messages'):find('tenets: ', 1, true)")
        nvim.command("messages clear")
        nvim.command("TenetsSession create s")
        nvim.wait_for("vim.fn.execute('messages'):find('tenets: ', 1, true)")
        assert "created" not in nvim.messages()
        nvim.wait_until_status_is("")


def test_quitting_leaves_no_server(opened: Opener, server: ServerProgram) -> None:
    with opened() as nvim:
        nvim.lua("require('tenets_session').setup{}")
        nvim.command("TenetsSession create s")
        nvim.wait_until_told("tenets: created and activated s")
    assert len(server.pids()) == 1
    server.wait_until_all_ended()


def test_quitting_while_the_server_starts_leaves_none(
    opened: Opener, server: ServerProgram
) -> None:
    with opened() as nvim:
        nvim.lua("require('tenets_session').setup{}")
    server.wait_until_all_ended()


def test_quitting_at_once_loses_nothing(
    opened: Opener, server: ServerProgram, database: Path
) -> None:
    with opened() as nvim:
        nvim.lua("""
            require('tenets_session').setup{}
            vim.cmd("TenetsSession create s")
            vim.fn.setline(1, "the last words")
            vim.cmd("TenetsAdd")
        """)
    server.wait_until_all_ended()
    assert context(database) == [("s", "code", "[No Name]:1-1\nthe last words")]


def test_a_frozen_server_freezes_nothing(
    opened: Opener, server: ServerProgram, database: Path
) -> None:
    with opened() as nvim:
        nvim.lua("require('tenets_session').setup{}")
        nvim.command("TenetsSession create s")
        nvim.wait_until_told("tenets: created and activated s")
        (frozen,) = server.pids()
        os.kill(frozen, signal.SIGSTOP)
        # Nothing of this waits, so it takes no longer than a moment; completion takes 300 ms.
        took = nvim.lua("""
            local start = vim.fn.reltime()
            vim.cmd("TenetsSession create lost")
            vim.cmd("TenetsSession list")
            vim.cmd("TenetsAdd")
            assert(require("tenets_session").statusline() == "tenets: s")
            assert(vim.fn.getcompletion("TenetsSession exit ", "cmdline")[1] == nil)
            return vim.fn.reltimefloat(vim.fn.reltime(start))
        """)
        assert 0.2 < took < 4
    # It has quit all the same, and told the server to end, which it does when it can.
    os.kill(frozen, signal.SIGCONT)
    server.wait_until_all_ended()
    assert "s" in names(database)


Announce = Callable[..., None]


@pytest.fixture
def parrot(opened: Opener) -> Iterator[Neovim]:
    """A Neovim whose server is :func:`~editors.neovim_support.parrot`; its revision is 5."""
    with opened() as nvim:
        nvim.lua(
            """
            seen = {}
            local function on_change(name) table.insert(seen, name or "none") end
            require('tenets_session').setup{ cmd = {...}, on_change = on_change }
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


def test_an_announced_change_redraws_the_status_line(parrot: Neovim, announce: Announce) -> None:
    parrot.lua("""
        drawn = {}
        function _G.draw()
            table.insert(drawn, require('tenets_session').statusline())
            return ''
        end
        vim.o.laststatus = 2
        vim.o.statusline = '%{v:lua.draw()}'
    """)
    announce(6, "six")
    parrot.wait_for("vim.tbl_contains(drawn, 'tenets: six')")


def test_the_readmes_configuration_works(opened: Opener) -> None:
    readme = (neovim_support.EXAMPLE / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```lua\n(.*?)^ *```$", readme, re.DOTALL | re.MULTILINE)
    configuration = "".join(text for _, text in blocks if not text.lstrip().startswith("{"))
    assert configuration.count("\n") == 3
    with opened() as nvim:
        nvim.command("set rtp-=" + str(neovim_support.EXAMPLE))
        here = str(neovim_support.EXAMPLE.parents[1])
        nvim.lua(configuration.replace("/path/to", here))
        nvim.command("TenetsSession create s")
        drawn = "vim.api.nvim_eval_statusline(vim.o.statusline, {}).str"
        nvim.wait_for(f"{drawn}:find('tenets: s$')")


@pytest.mark.parametrize("which", ["on the PATH", "newest"])
def test_a_missing_neovim_is_a_failure_that_says_what_to_do(
    which: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(neovim_support.NEWEST_VARIABLE, raising=False)
    with pytest.raises(pytest.fail.Exception, match="install"):
        neovim_program(which)
    monkeypatch.setenv(neovim_support.NEWEST_VARIABLE, str(tmp_path / "nvim"))
    with pytest.raises(pytest.fail.Exception, match="install"):
        neovim_program(which)
