"""What a user of the Neovim example types, and what then is in the database.

What is sent to Neovim over its socket is what a user types; what is then expected is what the user
sees, and what another program finds in a real file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from editors.neovim_support import Neovim
from editors.stored import active_name, context, names, stored

pytestmark = pytest.mark.editors


NONE_CURRENT: Final = (
    "tenets: nothing added: no session is current; use :Tenets switch NAME or :TenetsAdd NAME"
)


def test_a_user_types_commands(nvim: Neovim, database: Path) -> None:
    nvim.type(":Tenets create refactor the parser<CR>")
    nvim.wait_until_told("tenets: created and activated refactor the parser")
    assert active_name(database) == "refactor the parser"
    nvim.type(':Tenets create bug 4711: a | "b"<CR>')
    nvim.wait_until_told('tenets: created and activated bug 4711: a | "b"')
    assert active_name(database) == 'bug 4711: a | "b"'
    nvim.type(":Tenets sw<Tab> refactor the p<Tab><CR>")
    nvim.wait_until_told("tenets: switched to refactor the parser")
    assert active_name(database) == "refactor the parser"
    nvim.type(":Tenets list<CR>")
    nvim.wait_until_told('  bug 4711: a | "b"\n* refactor the parser')
    nvim.type(":Tenets<CR>")
    nvim.wait_until_told("tenets: refactor the parser (active in every editor)")
    nvim.type(":Tenets exit<CR>")
    nvim.wait_until_told("tenets: left refactor the parser")
    assert active_name(database) is None
    nvim.type(":Tenets<CR>")
    nvim.wait_until_told("tenets: no session is active")
    nvim.type(":Tenets exit<CR>")
    nvim.wait_until_told("tenets: no session is active")
    assert names(database) == ['bug 4711: a | "b"', "refactor the parser"]


def test_a_secret_in_a_note_is_told(nvim: Neovim) -> None:
    nvim.command("Tenets create a")
    nvim.wait_until_told("tenets: created and activated a")
    nvim.type(f":Tenets note it is ghp_{'aB3' * 12}<CR>")
    nvim.wait_until_told(
        "tenets: the note seems to have a GitHub token in it: agents and Markdown exports get it"
        " masked"
    )


def test_a_named_session_is_left(nvim: Neovim, database: Path) -> None:
    nvim.command("Tenets create one of them")
    nvim.wait_until_told("tenets: created and activated one of them")
    nvim.command("Tenets create another")
    nvim.wait_until_told("tenets: created and activated another")
    nvim.command("Tenets exit one of them")
    nvim.wait_until_told("tenets: left one of them")
    assert active_name(database) == "another"
    nvim.command("Tenets exit   another  ")
    nvim.wait_until_told("tenets: left another")
    assert active_name(database) is None


def test_a_note_is_found_and_a_session_deleted_and_brought_back(
    nvim: Neovim, database: Path
) -> None:
    with stored(database) as db:
        db.add_context("fix login", "note", "The refresh_token\nis used twice.")
        db.create_session("token rotation")
    nvim.chooses("note · The refresh_token is used twice")
    nvim.type(":Tenets search token<CR>")
    nvim.wait_until_text_is("── 1 · note · … ──", "The refresh_token", "is used twice.")
    nvim.chooses("token rotation")
    nvim.type(":Tenets search<CR>")
    nvim.answers("token")
    nvim.wait_until_told("tenets: switched to token rotation")
    assert nvim.offered() == [
        "token rotation",
        "fix login · note · The refresh_token is used twice.",
    ]
    nvim.type(":Tenets search nothing such<CR>")
    nvim.wait_until_told("tenets: nothing found")
    nvim.type(":Tenets delete fix login<CR>")
    nvim.wait_until_told("tenets: deleted fix login; :Tenets undo brings it back")
    nvim.command("bwipeout!")
    assert names(database) == ["token rotation"]
    nvim.type(":Tenets delete fix login<CR>")
    nvim.wait_until_told("tenets: there is no session named fix login")
    nvim.type(":Tenets undo<CR>")
    nvim.wait_until_told("tenets: restored fix login, notes: 1")
    assert names(database) == ["token rotation", "fix login"]
    nvim.type(":Tenets undo<CR>")
    nvim.wait_until_told("tenets: the trash is empty")


def test_commands_and_names_are_completed(nvim: Neovim, database: Path) -> None:
    assert nvim.completions("Tenets ") == [
        *("bind", "changes", "copy", "create", "delete", "exit", "export", "file", "list", "note"),
        *("notes", "rename", "search", "switch", "trash", "unbind", "undo"),
    ]
    assert nvim.completions("Tenets e") == ["exit", "export"]
    assert nvim.completions("Tenets nothing") == []
    nvim.wait_for("#vim.fn.getcompletion('Tenets switch ', 'cmdline') == 0")
    with stored(database) as db:
        for name in ("plain", "two words", "two wishes and more"):
            db.create_session(name)
    nvim.command("Tenets list")
    nvim.wait_until_told("  two wishes and more\n  two words\n  plain")
    subcommands = [f"Tenets {verb}" for verb in ("switch", "exit", "delete", "notes")]
    for command in (*subcommands, "TenetsAdd", "1,2TenetsAdd"):
        assert nvim.completions(f"{command} ") == ["two wishes and more", "two words", "plain"]
        assert nvim.completions(f"{command} p") == ["plain"]
        # Neovim replaces the last word only.
        assert nvim.completions(f"{command} two w") == ["wishes and more", "words"]
        assert nvim.completions(f"{command} two wo") == ["words"]
        assert nvim.completions(f"{command} two words ") == []
    assert nvim.completions("Tenets create t") == []
    assert nvim.completions("Tenets list t") == []


def test_completion_starts_the_server(nvim: Neovim, database: Path) -> None:
    with stored(database) as db:
        db.create_session('50% of "a" | b\\c #1 <d>')
    # Each waits for a moment only.
    nvim.wait_for("#vim.fn.getcompletion('Tenets switch 5', 'cmdline') == 1")
    nvim.type(":Tenets switch 50%<Tab><CR>")
    nvim.wait_until_told('tenets: switched to 50% of "a" | b\\c #1 <d>')
    nvim.type(':1,$Tenets notes 50% of "a" | b<Tab><CR>')
    nvim.wait_for("vim.fn.bufname() == args[1]", 'tenets://session/50%25 of "a" | b\\c #1 <d>')


def test_completion_knows_what_others_have_just_created(nvim: Neovim, database: Path) -> None:
    nvim.command("Tenets create mine")
    nvim.wait_until_told("tenets: created and activated mine")
    with stored(database) as db:
        db.create_session("theirs")
    # Each completion asks again, and waits for a moment only; so a slow answer is in the next.
    nvim.wait_for("vim.fn.getcompletion('Tenets switch t', 'cmdline')[1] == 'theirs'")


def test_all_pages_are_listed(nvim: Neovim, database: Path) -> None:
    nvim.command("Tenets list")
    nvim.wait_until_told("tenets: there are no sessions")
    with stored(database) as db, db.db.transaction():
        for number in range(250):
            db.create_session(f"s{number:04}")
    nvim.command("Tenets list")
    nvim.wait_until_told("\n".join(f"  s{number:04}" for number in reversed(range(250))))
    assert nvim.completions("Tenets switch s000")[-1] == "s0000"


def test_a_list_without_end_is_cut_short(nvim: Neovim, database: Path) -> None:
    nvim.command("Tenets list")
    nvim.wait_until_told("tenets: there are no sessions")
    with stored(database) as db, db.db.transaction():
        for number in range(2001):
            db.create_session(f"s{number:04}")
    nvim.command("Tenets list")
    listed = [f"  s{number:04}" for number in reversed(range(1, 2001))]
    nvim.wait_until_told("\n".join([*listed, "  ... and older ones"]))


def test_errors_of_the_server_are_shown(nvim: Neovim, database: Path) -> None:
    nvim.lua("""
        local notify = vim.notify
        levels = {}
        vim.notify = function(message, level)
            table.insert(levels, level)
            notify(message, level)
        end
    """)
    nvim.command("Tenets switch nobody")
    nvim.wait_until_told("tenets: no session is named 'nobody'")
    nvim.command("Tenets exit nobody")
    nvim.wait_until_told("tenets: no session is named 'nobody'")
    assert nvim.lua("return levels[1] == vim.log.levels.ERROR and #levels == 2")
    nvim.command("Tenets create taken")
    nvim.wait_until_told("tenets: created and activated taken")
    nvim.command("Tenets create taken")
    nvim.wait_for("vim.fn.execute('messages'):find('taken', 1, true)")
    assert nvim.lua("return levels[#levels] == vim.log.levels.ERROR")
    nvim.command(f"Tenets create {'x' * 256}")
    nvim.wait_for("vim.fn.execute('messages'):find('255', 1, true)")
    assert names(database) == ["taken"]
    assert active_name(database) == "taken"


def test_wrong_commands_are_reported(nvim: Neovim) -> None:
    # Within Lua: a mistake is no exception there.
    nvim.lua('vim.cmd("Tenets frobnicate")')
    nvim.wait_until_told(
        "tenets: no such subcommand: frobnicate; expected one of bind, changes, copy, create,"
        " delete, exit, export, file, list, note, notes, rename, search, switch, trash, unbind,"
        " undo"
    )
    nvim.command("Tenets switch")
    nvim.wait_until_told("tenets: there are no sessions")
    for verb in ("rename x", "copy x", "notes", "export", "delete", "note x"):
        nvim.command(f"Tenets {verb}")
        nvim.wait_for("vim.fn.execute('messages'):find('no session is current', 1, true)")
        nvim.command("messages clear")
    for wrong, expected in (
        ("'no'", "options"),
        ("{ cmd = {} }", "cmd: expected a list"),
        ("{ marks = 'all' }", "marks: expected"),
        ("{ on_change = 1 }", "on_change: expected a function"),
    ):
        problem = nvim.lua(f"return select(2, pcall(require('tenets').setup, {wrong}))")
        assert expected in problem


def test_lines_are_added(nvim: Neovim, database: Path, project: Path) -> None:
    source = project / "lua" / "foo.lua"
    source.parent.mkdir()
    source.write_text("one\n\ttwo\n\nGrüße 🧵\nfive\n", encoding="utf-8")
    nvim.command("edit lua/foo.lua")
    nvim.command("2,4TenetsAdd the new one")
    nvim.wait_until_told("tenets: added lua/foo.lua:2-4 to the new session the new one")
    nvim.command("Tenets create active")
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
        ("the new one", "code", "\ttwo\n\nGrüße 🧵"),
        ("active", "code", "five"),
        ("active", "code", "one\n\ttwo"),
        ("the new one", "code", "one\n\ttwo"),
        ("active", "code", "one\n\ttwo\n\nGrüße 🧵\nfive"),
    ]
    assert active_name(database) == "active"


def test_the_text_is_that_of_the_moment_of_the_command(nvim: Neovim, database: Path) -> None:
    # The server is only being started; all of this waits for it.
    nvim.lua("""
        vim.fn.setline(1, {"nul \\n here", "before"})
        vim.cmd("Tenets create s")
        vim.cmd("1,2TenetsAdd")
        vim.fn.setline(1, "after")
        vim.cmd("new")
    """)
    nvim.wait_until_told("tenets: created and activated s\ntenets: added [No Name]:1-2 to s")
    assert context(database) == [("s", "code", "[No Name]:1-2\nnul \x00 here\nbefore")]


def test_the_session_is_the_one_that_is_active_now(nvim: Neovim, database: Path) -> None:
    nvim.command("Tenets create mine")
    nvim.wait_until_told("tenets: created and activated mine")
    with stored(database) as db:
        db.create_session("theirs")
        db.set_active("theirs", True)
    nvim.command("TenetsAdd")
    nvim.wait_until_told("tenets: added [No Name]:1-1 to theirs")
    nvim.wait_until_status_is("tenets: theirs")


def test_text_that_cannot_be_added_is_reported(nvim: Neovim, database: Path) -> None:
    nvim.command("TenetsAdd")
    nvim.wait_until_told(NONE_CURRENT)
    nvim.lua("vim.fn.setline(1, 'not UTF-8: \\255')")
    nvim.command("TenetsAdd s")
    nvim.wait_until_told(
        "tenets: [No Name]:1-1 was not added: addContext was not sent: the text is not valid UTF-8"
    )
    nvim.lua("vim.fn.setline(1, ('x'):rep(16 * 1024 * 1024))")
    nvim.command("TenetsAdd s")
    nvim.wait_for("vim.fn.execute('messages'):find('was not added: .*16777216')")
    assert nvim.lua("return vim.fn.execute('messages'):find('tenets: added')") is None
    assert names(database) == []
