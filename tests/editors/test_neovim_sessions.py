"""Sessions in Neovim: chosen, bound to a folder, renamed, brought back, and what others changed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from editors import neovim_support
from editors.neovim_support import Neovim, Opener, ServerProgram, neovim_program
from editors.stored import active_name, context, names, stored
from support.people import Person

pytestmark = pytest.mark.editors


def test_sessions_are_chosen_and_named(nvim: Neovim, database: Path) -> None:
    nvim.type(":Tenets create<CR>")
    nvim.answers("billing")
    nvim.wait_until_told("tenets: created and activated billing")
    nvim.command("Tenets create review")
    nvim.wait_until_told("tenets: created and activated review")
    with stored(database) as db:
        db.add_context("billing", "note", "first")
    nvim.chooses("billing")
    nvim.command("Tenets switch")
    nvim.wait_until_told("tenets: switched to billing")
    offered = ["billing (1 note · just now)", "review (current · active · 0 notes · just now)"]
    assert nvim.offered() == offered
    nvim.type(":Tenets rename<CR>")
    nvim.answers(" of May")  # behind the name that it has
    nvim.wait_until_told("tenets: renamed billing to billing of May")
    nvim.wait_until_status_is("tenets: billing of May")
    nvim.command("Tenets copy another")
    nvim.wait_until_told("tenets: copied billing of May to another")
    assert names(database) == ["another", "review", "billing of May"]
    nvim.chooses("another")
    nvim.command("Tenets delete another")
    nvim.wait_until_told("tenets: deleted another; :Tenets undo brings it back")
    nvim.command("Tenets trash")
    nvim.wait_until_told("tenets: restored another, notes: 1")
    assert nvim.offered() == ["1 session another (just now · Neovim)"]
    nvim.type(":Tenets note<CR>")
    nvim.answers("second")
    nvim.wait_until_told("tenets: added the note to billing of May")
    nvim.command("Tenets export")
    nvim.wait_for("vim.fn.search('> second') > 0")
    shown = nvim.lua("return { vim.bo.filetype, vim.fn.bufname(), vim.fn.getline(1) }")
    assert shown == ["markdown", "", "# billing of May"]


def test_a_question_waits_until_the_user_has_typed(nvim: Neovim, database: Path) -> None:
    nvim.command("Tenets create billing")
    nvim.wait_until_told("tenets: created and activated billing")
    # The question is asked once the server has said which session is current.
    nvim.lua("vim.cmd('Tenets note') vim.api.nvim_input('ityped meanwhile')")
    nvim.wait_for("vim.fn.getline(1) == 'typed meanwhile'")
    nvim.command("Tenets")
    nvim.wait_until_told("tenets: billing (active in every editor)")
    assert nvim.lua("return vim.fn.mode()") == "i"
    nvim.type("<Esc>")
    nvim.answers("a note")
    nvim.wait_until_told("tenets: added the note to billing")
    assert context(database) == [("billing", "note", "a note")]


def test_a_folder_shows_the_session_that_it_is_bound_to(
    nvim: Neovim, database: Path, project: Path
) -> None:
    (project / "part").mkdir()
    nvim.lua("""
        seen = {}
        function _G.see() table.insert(seen, tostring(require('tenets').current())) end
        vim.cmd('autocmd User TenetsSessionChanged lua see()')
    """)
    for name in ("billing", "parser"):
        nvim.command(f"Tenets create {name}")
        nvim.wait_until_status_is(f"tenets: {name}")
    nvim.command("messages clear")
    nvim.command("cd part")
    nvim.command("Tenets bind nobody")
    nvim.wait_until_told("tenets: there is no session named nobody")
    nvim.chooses("billing")
    nvim.command("Tenets bind")
    folder = nvim.lua("return vim.fn.fnamemodify(vim.fn.getcwd(), ':~')")
    nvim.wait_until_told(f"tenets: {folder} shows billing, whatever is active")
    nvim.wait_until_status_is("tenets: billing")
    nvim.command("Tenets switch parser")
    nvim.wait_until_told(
        "tenets: switched to parser\n"
        "tenets: this folder is bound to billing, and goes on showing it"
    )
    nvim.command("Tenets")
    nvim.wait_until_told(f"tenets: billing (bound to {folder})")
    nvim.command("TenetsAdd")
    nvim.wait_until_told("tenets: added [No Name]:1-1 to billing")
    nvim.command("cd ..")
    nvim.wait_until_status_is("tenets: parser")
    nvim.command("Tenets unbind")
    nvim.wait_until_told("tenets: this folder is not bound to a session")
    nvim.command("cd part")
    nvim.wait_until_status_is("tenets: billing")
    # As others say it.
    Person(database, project).does("-C", "part", "bind", "parser")
    nvim.wait_until_status_is("tenets: parser")
    nvim.command("Tenets unbind")
    nvim.wait_until_told(f"tenets: {folder} shows parser")
    assert nvim.lua("return seen") == [
        *("billing", "parser", "billing", "parser", "billing", "parser")
    ]


def test_the_folder_may_be_changed_while_the_server_starts(
    opened: Opener, database: Path, project: Path
) -> None:
    (project / "part").mkdir()
    person = Person(database, project)
    person.does("create", "--switch", "billing")
    person.does("create", "parser")
    person.does("-C", "part", "bind", "parser")
    with opened() as nvim:
        nvim.setup()
        nvim.lua("require('tenets').statusline()")
        nvim.command("cd part")
        nvim.wait_until_status_is("tenets: parser")
        person.does("create", "--switch", "review")
        nvim.command("Tenets")
        nvim.wait_for("vim.fn.execute('messages'):find('parser (bound to', 1, true)")
        nvim.wait_until_status_is("tenets: parser")
        # It is bound to a name, also to one that is gone.
        person.does("delete", "--yes", "parser")
        nvim.wait_until_status_is("tenets: review")
        nvim.command("messages clear")
        nvim.command("Tenets unbind")
        nvim.wait_for("vim.fn.execute('messages'):find('shows review', 1, true)")


def test_a_mistake_in_an_autocommand_of_the_user_stops_nothing(
    nvim: Neovim, server: ServerProgram
) -> None:
    nvim.command("autocmd User TenetsSessionChanged throw 'a mistake'")
    nvim.command("Tenets create billing")
    nvim.wait_for("vim.fn.execute('messages'):find('a mistake', 1, true)")
    nvim.wait_until_status_is("tenets: billing")
    (first,) = server.pids()
    os.kill(first, signal.SIGKILL)
    nvim.wait_until_status_is("tenets: disconnected")
    nvim.wait_until_status_is("tenets: billing")
    nvim.command("messages clear")


def test_what_others_have_changed_is_listed(nvim: Neovim, database: Path, project: Path) -> None:
    nvim.command("Tenets create mine")
    nvim.wait_until_told("tenets: created and activated mine")
    nvim.command("Tenets changes")
    nvim.wait_until_told("tenets: nothing has changed")
    person = Person(database, project)
    person.does("--author", "ann", "note", "look at this")
    person.does("--author", "ann", "create", "theirs")
    nvim.chooses("look at this")
    nvim.command("Tenets changes")
    nvim.wait_until_text_is("── 1 · note · ann · … ──", "look at this")
    offered = ["theirs · session created · ann", "look at this · mine · added · ann"]
    assert nvim.offered() == offered
    nvim.command("Tenets changes")
    nvim.wait_until_told("tenets: nothing has changed")


def test_what_was_changed_while_neovim_was_not_there_is_listed(
    opened: Opener, database: Path, project: Path
) -> None:
    person = Person(database, project)
    with opened() as nvim:
        nvim.setup()
        nvim.command("Tenets changes")
        nvim.wait_until_told("tenets: nothing has changed")
    person.does("--author", "ann", "create", "theirs")
    with opened() as nvim:
        nvim.setup()
        nvim.chooses("nothing of it")
        nvim.command("Tenets changes")
        nvim.wait_for("_G.offered")
        assert nvim.offered() == ["theirs · session created · ann"]


def test_the_health_check_says_what_is_so_and_what_to_do(opened: Opener, database: Path) -> None:
    with opened() as nvim:
        nvim.setup()
        nvim.command("Tenets create billing")
        nvim.wait_until_told("tenets: created and activated billing")
        nvim.command("checkhealth tenets")
        text = "\n".join(nvim.lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"))
        assert "the server answers" in text
        assert f"database: {database} " in text
        assert "sessions: 1, notes: 0" in text
        assert "current session: billing" in text
        assert "ERROR" not in text
        nvim.command("bwipeout!")
    with opened(path="/usr/bin:/bin") as nvim:
        nvim.setup()
        nvim.command("checkhealth tenets")
        text = "\n".join(nvim.lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"))
        assert "tenets-session-server is not installed, or not on the PATH" in text
        assert "pipx install tenets-session-server" in text
        nvim.command("bwipeout!")


def test_the_help_is_found(opened: Opener, project: Path) -> None:
    with opened() as nvim:
        nvim.setup()
        copy = project / "doc"
        copy.mkdir()
        source = neovim_support.EXAMPLE / "doc" / "tenets.txt"
        (copy / source.name).write_text(source.read_text())
        nvim.command(f"helptags {copy}")
        nvim.command(f"set rtp^={project}")
        verbs = nvim.lua("return vim.fn.getcompletion('Tenets ', 'cmdline')")
        for tag in (*[f":Tenets-{verb}" for verb in verbs], ":TenetsAdd", "tenets-options"):
            nvim.command(f"help {tag}")
            assert nvim.lua("return vim.fn.expand('%:t')") == "tenets.txt"


def test_the_former_names_work(opened: Opener) -> None:
    with opened() as nvim:
        nvim.lua("require('tenets_session').setup{}")
        nvim.command("TenetsSession create billing")
        nvim.wait_until_told("tenets: created and activated billing")
        nvim.command("TenetsSession list")
        nvim.wait_until_told("* billing")
        assert nvim.lua("return require('tenets_session').statusline()") == "tenets: billing"
        assert nvim.completions("TenetsSession switch b") == ["billing"]


def test_nothing_is_loaded_before_it_is_needed(opened: Opener, database: Path) -> None:
    with opened() as nvim:
        nvim.command("runtime plugin/tenets.lua")
        loaded = """
            local function is_ours(name) return vim.startswith(name, 'tenets') end
            return vim.tbl_filter(is_ours, vim.tbl_keys(package.loaded))
        """
        assert not nvim.lua(loaded)
        nvim.setup()
        assert sorted(nvim.lua(loaded)) == ["tenets", "tenets.config"]
        nvim.command("Tenets create billing")
        nvim.wait_until_told("tenets: created and activated billing")
    assert active_name(database) == "billing"


def test_each_window_shows_the_session_of_its_own_folder(
    opened: Opener, database: Path, project: Path
) -> None:
    (project / "part").mkdir()
    (project / "other").mkdir()
    person = Person(database, project)
    person.does("create", "--switch", "billing")
    person.does("create", "parser")
    person.does("-C", "part", "bind", "parser")
    with opened() as nvim:
        nvim.lua("""
            require('tenets').setup{}
            vim.o.statusline = "%{v:lua.require'tenets'.statusline()}"
            seen = {}
            function _G.see() table.insert(seen, tostring(require('tenets').current())) end
            vim.cmd('autocmd User TenetsSessionChanged lua see()')
            function _G.shown()
                return vim.tbl_map(function(window)
                    return vim.api.nvim_eval_statusline(vim.o.statusline, { winid = window }).str
                end, vim.api.nvim_list_wins())
            end
        """)
        nvim.wait_until_status_is("tenets: billing")
        nvim.command("split")
        nvim.command("lcd part")
        nvim.wait_until_status_is("tenets: parser")
        both = ["tenets: parser", "tenets: billing"]
        nvim.wait_for("vim.deep_equal(shown(), args[1])", both)
        nvim.command("wincmd w")
        nvim.wait_until_status_is("tenets: billing")
        nvim.command("wincmd w")
        nvim.command("TenetsAdd")
        nvim.wait_until_told("tenets: added [No Name]:1-1 to parser")
        nvim.command("wincmd w")
        assert nvim.lua("return seen") == ["billing", "parser", "billing", "parser", "billing"]
        # What others do is shown in each window.
        person.does("create", "--switch", "review")
        nvim.wait_for("vim.deep_equal(shown(), args[1])", ["tenets: parser", "tenets: review"])
        person.does("-C", "part", "bind", "billing")
        nvim.wait_for("vim.deep_equal(shown(), args[1])", ["tenets: billing", "tenets: review"])
        # A tab page has a folder of its own, too.
        nvim.command("tabnew")
        nvim.command("tcd other")
        nvim.command("messages clear")
        nvim.command("Tenets bind parser")
        nvim.wait_until_status_is("tenets: parser")
        nvim.command("tabprevious")
        nvim.wait_until_status_is("tenets: review")
        nvim.command("tabclose 2")
        nvim.command("messages clear")


def test_what_is_brought_back_may_get_another_name(nvim: Neovim, database: Path) -> None:
    nvim.command("Tenets create billing")
    nvim.wait_until_told("tenets: created and activated billing")
    nvim.command("Tenets delete")
    nvim.wait_until_told("tenets: deleted billing; :Tenets undo brings it back")
    for name in ("billing", "review"):
        nvim.command(f"Tenets create {name}")
        nvim.wait_until_told(f"tenets: created and activated {name}")
    nvim.type(":Tenets undo<CR>")
    nvim.answers("<C-U>review")
    nvim.answers(" 2")  # behind the name that is taken, too
    nvim.wait_until_told("tenets: restored review 2, notes: 0")
    assert sorted(names(database)) == ["billing", "review", "review 2"]


def test_an_export_is_no_change_that_keeps_neovim_open(nvim: Neovim, project: Path) -> None:
    nvim.command("Tenets create billing")
    nvim.wait_until_told("tenets: created and activated billing")
    nvim.command("Tenets export")
    nvim.wait_for("vim.fn.getline(1) == '# billing'")
    assert nvim.lua("return vim.bo.modified") is False
    nvim.type(":w billing.md<CR>")
    nvim.wait_for("vim.fn.filereadable('billing.md') == 1")
    assert (project / "billing.md").read_text().startswith("# billing\n")


def test_another_command_in_the_configuration_starts_another_server(
    opened: Opener, server: ServerProgram, database: Path, project: Path
) -> None:
    Person(database, project).does("create", "--switch", "billing")
    other = Person(project / "other.db", project)
    other.does("create", "review")
    other.does("create", "--switch", "billing")
    other.does("note", "of the other one")
    with opened() as nvim:
        nvim.setup()
        nvim.command("Tenets notes")
        nvim.wait_until_text_is("── new note ──", "")
        nvim.command("Tenets notes billing")
        nvim.setup(cmd=[str(server.path), "--database", str(other.database)])
        # The session of that name has another id there.
        nvim.wait_until_text_is("── 1 …", "of the other one")
        nvim.lua("vim.fn.setline(2, 'changed')")
        nvim.setup()
        nvim.type(":w<CR>")
        nvim.wait_until_told(
            "tenets: nothing was written: the server does not have the database of these notes"
        )
        nvim.command("Tenets create parser")
        nvim.wait_until_told("tenets: created and activated parser")
        nvim.type(":w<CR>")
        nvim.wait_until_told(
            "tenets: nothing was written: the server does not have the database of these notes"
        )
        nvim.command("bwipeout!")
    server.wait_until_all_ended()
    assert names(database) == ["parser", "billing"]
    assert context(Path(other.database)) == [("billing", "note", "of the other one")]


def test_the_language_server_of_neovim_has_the_command_of_the_configuration(
    server: ServerProgram, project: Path
) -> None:
    with Neovim.opened(neovim_program("newest"), project, "/usr/bin:/bin") as nvim:
        nvim.lua("vim.lsp.enable('tenets')")
        nvim.setup(cmd=[str(server.path)])
        nvim.command("edit login.py")
        nvim.command("setfiletype python")
        nvim.wait_for("(vim.lsp.get_clients({ name = 'tenets' })[1] or {}).initialized")
