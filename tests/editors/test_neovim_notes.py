"""Notes in Neovim: in a buffer of their own, at their lines, found, and marked."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from editors.neovim_support import Neovim, Opener, ServerProgram
from editors.plain_editors import SOURCE
from editors.stored import stored
from support.people import Person

pytestmark = pytest.mark.editors


@pytest.fixture
def person(database: Path, project: Path) -> Person:
    """Somebody with a session, who uses the command line in the same folder."""
    found = Person(database, project)
    found.does("create", "--switch", "billing")
    return found


def entries(person: Person, session: str = "billing") -> list[dict[str, Any]]:
    """Return the entries of a session, oldest first."""
    return list(person.gets("show", session)["entries"])


def contents(person: Person, session: str = "billing") -> list[str]:
    """Return the contents of a session's entries, oldest first."""
    return [entry["content"] for entry in entries(person, session)]


def is_modified(nvim: Neovim) -> bool:
    """Tell whether the current buffer has changes that are not written."""
    return bool(nvim.lua("return vim.bo.modified"))


def test_notes_are_edited_removed_and_added_in_their_buffer(nvim: Neovim, person: Person) -> None:
    person.does("note", "first")
    person.does("note", "--kind", "code", "--at", "login.py:5", "second")
    nvim.type(":Tenets notes<CR>")
    headings = ("── 1 · note · tenets-session · … ──", "── 2 · code · … · login.py:5 ──")
    nvim.wait_until_text_is(headings[0], "first", "", headings[1], "second")
    # The newest one is what its user sees first.
    assert nvim.lua("return vim.fn.line('.')") == 5
    # A note of one paragraph is a paragraph with its heading.
    nvim.type("ggjA, and more<Esc>}jdap:Tenets note<CR>a third\nof two lines<Esc>:w<CR>")
    nvim.wait_until_told("tenets: removed 1 note; :Tenets undo brings it back")
    new = "── 3 · note · Neovim · … ──"
    nvim.wait_until_text_is(headings[0], "first, and more", "", new, "a third", "of two lines")
    assert contents(person) == ["first, and more", "a third\nof two lines"]
    nvim.type(":Tenets undo<CR>")
    nvim.wait_until_told("tenets: restored billing, notes: 1")
    nvim.wait_until_text_is(
        *(headings[0], "first, and more", "", headings[1], "second", ""),
        *(new, "a third", "of two lines"),
    )
    # Undo of the editor brings back none of what was there before.
    nvim.type("u")
    assert not is_modified(nvim)
    nvim.type(":w copy.md<CR>")
    copy = person.folder / "copy.md"
    nvim.wait_for("vim.fn.filereadable('copy.md') == 1")
    assert copy.read_text().splitlines()[1] == "first, and more"
    nvim.type(":wq<CR>")
    nvim.wait_for("vim.fn.bufname() == ''")


def test_a_change_on_both_sides_is_a_conflict_that_loses_nothing(
    nvim: Neovim, person: Person
) -> None:
    person.does("note", "first")
    person.does("note", "second")
    nvim.command("Tenets notes billing")
    nvim.wait_until_text_is("── 1 …", "first", "", "── 2 …", "second")
    # A buffer without changes follows, and the cursor stays on its note.
    person.does("edit", "1", "first\nof them")
    nvim.wait_until_text_is("── 1 …", "first", "of them", "", "── 2 …", "second")
    assert nvim.lua("return vim.fn.line('.')") == 6
    nvim.lua("vim.fn.setline(2, 'mine')")
    nvim.lua("vim.fn.setline(6, 'second of mine')")
    person.does("edit", "1", "theirs")
    nvim.type(":w<CR>")
    nvim.wait_until_told("tenets: note 1 was changed elsewhere: :w! overwrites it, :e! shows it")
    assert is_modified(nvim)
    # The others are written.
    assert contents(person) == ["theirs", "second of mine"]
    nvim.wait_until_text_is("── 1 …", "mine", "of them", "", "── 2 …", "second of mine")
    nvim.type(":w!<CR>")
    nvim.wait_for("not vim.bo.modified")
    assert contents(person) == ["mine\nof them", "second of mine"]
    nvim.lua("vim.fn.setline(2, 'mine again')")
    person.does("edit", "1", "theirs again")
    nvim.type(":e!<CR>")
    nvim.wait_until_text_is("── 1 …", "theirs again", "", "── 2 …", "second of mine")
    # What was deleted elsewhere can be kept.
    nvim.lua("vim.fn.setline(2, 'keep this')")
    person.does("remove", "1")
    nvim.type(":w<CR>")
    nvim.wait_until_told(
        "tenets: note 1 was deleted elsewhere: :w! adds it again, :e! shows what is there"
    )
    nvim.type(":w!<CR>")
    nvim.wait_until_text_is("── 2 …", "second of mine", "", "── 3 …", "keep this")


def test_what_is_written_is_what_was_read(nvim: Neovim, person: Person, database: Path) -> None:
    odd = [
        "── 1 · note · somebody ──\nno heading",
        "with a line feed at its end\n",
        "\n\nblank lines\n\n",
        "trailing blanks  \r\nand a tab\t",
        "",
        "nul \x00 here",
        "── new note ──",
        "Grüße 🧵\u2028",
    ]
    with stored(database) as db:
        for content in odd:
            db.add_context("billing", "note", content)
    nvim.command("Tenets notes")
    nvim.wait_for("vim.fn.search('Grüße') > 0")
    nvim.type(":set modified<CR>:w<CR>")
    nvim.wait_for("not vim.bo.modified")
    assert contents(person) == odd
    nvim.lua("vim.fn.append(vim.fn.search('^no heading$'), 'one more line')")
    nvim.type(":w<CR>")
    nvim.wait_for("not vim.bo.modified")
    assert contents(person) == [f"{odd[0]}\none more line", *odd[1:]]


def test_a_new_note_is_added_once_however_often_it_is_written(nvim: Neovim, person: Person) -> None:
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── new note ──", "")
    nvim.type("ione<Esc>:w<CR>A and two<Esc>:w<CR>")
    nvim.wait_until_text_is("── 1 · note · Neovim · … ──", "one and two")
    assert contents(person) == ["one and two"]
    # An undo of the editor is a change as any other.
    nvim.type("u:w<CR>")
    nvim.wait_for("not vim.bo.modified")
    assert contents(person) == ["one"]
    # Two equal ones are two.
    nvim.type(":Tenets note<CR>TODO<Esc>:Tenets note<CR>TODO<Esc>:w<CR>")
    nvim.wait_until_text_is("── 1 …", "one", "", "── 2 …", "TODO", "", "── 3 …", "TODO")
    assert contents(person) == ["one", "TODO", "TODO"]


def test_what_an_undo_brings_back_is_not_lost(nvim: Neovim, person: Person) -> None:
    person.does("note", "--kind", "code", "--at", "login.py:3", "first")
    person.does("note", "second")
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── 1 …", "first", "", "── 2 …", "second")
    nvim.type("gg3ddGAx<Esc>")
    person.does("edit", "2", "theirs")
    nvim.type(":w<CR>")
    nvim.wait_until_told(
        "tenets: removed 1 note; :Tenets undo brings it back\n"
        "tenets: note 2 was changed elsewhere: :w! overwrites it, :e! shows it"
    )
    nvim.type("uu:w!<CR>")
    code = "── 3 · code · Neovim · … · login.py:3 ──"
    nvim.wait_until_text_is("── 2 …", "theirs", "", code, "first")
    assert contents(person) == ["theirs", "first"]
    (kept,) = [entry for entry in entries(person) if entry["kind"] == "code"]
    assert kept["location"]["range"]["start"]["line"] == 2


def test_a_heading_is_not_changed_by_mistake(nvim: Neovim, person: Person) -> None:
    person.does("note", "first")
    person.does("note", "second")
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── 1 …", "first", "", "── 2 …", "second")
    nvim.type("4Gihello<Esc>:w<CR>")
    nvim.wait_until_told("tenets: line 4 was the heading of a note: undo its change")
    assert contents(person) == ["first", "second"]
    # A note that is moved to the buffer of another session is moved.
    nvim.type("u")
    person.does("create", "review")
    nvim.type("4G2dd:Tenets notes review<CR>")
    nvim.wait_until_text_is("── new note ──", "")
    nvim.type("P:wall<CR>")
    nvim.wait_for("not vim.bo.modified")
    assert contents(person) == ["first"]
    assert contents(person, "review") == ["second"]


def test_a_buffer_of_notes_is_used_as_any_other(
    nvim: Neovim, person: Person, project: Path
) -> None:
    person.does("note", "first")
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── 1 …", "first")
    (project / "there.md").write_text("mine")
    nvim.type(":w there.md<CR>")
    nvim.wait_for("vim.fn.execute('messages'):find('exists', 1, true)")
    assert (project / "there.md").read_text() == "mine"
    nvim.command("messages clear")
    nvim.type(":w /nonexistent/x<CR>")
    nvim.wait_for("vim.fn.execute('messages'):find('nonexistent', 1, true)")
    nvim.command("messages clear")
    nvim.command("bdelete")
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── 1 …", "first")
    assert nvim.lua("return vim.bo.filetype") == "markdown"
    # A session of Neovim's brings it back.
    nvim.command("mksession session.vim")
    nvim.command("%bwipeout!")
    nvim.command("source session.vim")
    nvim.wait_until_text_is("── 1 …", "first")
    nvim.command("noautocmd bwipeout!")
    person.does("note", "second")
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── 1 …", "first", "", "── 2 …", "second")


def test_many_notes_are_removed_only_after_a_question(nvim: Neovim, person: Person) -> None:
    for number in range(3):
        person.does("note", f"note {number}")
    nvim.command("Tenets notes")
    nvim.wait_for("vim.fn.line('$') == 8")
    nvim.lua("vim.fn.confirm = function(question) _G.question = question return 2 end")
    nvim.type("ggdG:w<CR>")
    nvim.wait_until_told("tenets: nothing was written")
    assert len(contents(person)) == 3
    assert is_modified(nvim)
    assert nvim.lua("return question") == "tenets: remove 3 notes from billing?"
    nvim.lua("vim.fn.confirm = function() return 1 end")
    nvim.type(":w<CR>")
    nvim.wait_until_told("tenets: removed 3 notes; :Tenets trash brings them back")
    assert contents(person) == []
    nvim.wait_until_text_is("── new note ──", "")


def test_the_text_outlives_its_session_and_its_server(
    nvim: Neovim, person: Person, server: ServerProgram
) -> None:
    person.does("note", "first")
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── 1 …", "first")
    nvim.lua("vim.fn.setline(2, 'first of mine')")
    person.does("delete", "--yes", "billing")
    nvim.type(":w<CR>")
    nvim.wait_until_told(
        "tenets: note 1 was deleted elsewhere: :w! adds it again, :e! shows what is there"
    )
    assert is_modified(nvim)
    person.does("restore")
    nvim.type(":w<CR>")
    nvim.wait_for("not vim.bo.modified")
    assert contents(person) == ["first of mine"]
    # The server is killed; it is back, and what was changed meanwhile is shown.
    (first,) = server.pids()
    os.kill(first, signal.SIGKILL)
    person.does("edit", "1", "changed meanwhile")
    nvim.wait_until_text_is("── 1 …", "changed meanwhile")
    nvim.lua("vim.fn.setline(2, 'and by me')")
    nvim.type(":w<CR>")
    nvim.wait_for("not vim.bo.modified")
    assert contents(person) == ["and by me"]


def test_a_session_that_is_renamed_keeps_its_buffer(nvim: Neovim, person: Person) -> None:
    person.does("note", "first")
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── 1 …", "first")
    person.does("rename", "billing", "50% of / two words")
    nvim.wait_for("vim.fn.bufname() == args[1]", "tenets://session/50%25 of / two words")
    nvim.command("bwipeout")
    nvim.command("Tenets notes 50% of / two words")
    nvim.wait_until_text_is("── 1 …", "first")
    nvim.command("Tenets notes nobody")
    nvim.wait_until_told("tenets: there is no session named nobody (any more)")
    nvim.type("ix<Esc>")
    assert not is_modified(nvim)
    nvim.command("messages clear")


def test_lines_are_added_with_their_place_and_found_again(
    nvim: Neovim, person: Person, project: Path
) -> None:
    source = project / "login.py"
    source.write_text(SOURCE)
    nvim.command("edit login.py")
    nvim.command("4,5TenetsAdd")
    nvim.wait_until_told("tenets: added login.py:4-5 to billing")
    # In text that is not saved.
    nvim.lua("vim.fn.append(0, {'# one', '# two'})")
    nvim.type(":7Tenets note why twice?<CR>")
    nvim.wait_until_told("tenets: added a note at login.py:7-7 to billing")
    code, note = entries(person)
    assert (code["kind"], code["content"]) == ("code", "def log_in(user):\n    token = fetch(user)")
    assert code["location"]["uri"] == source.as_uri()
    assert code["location"]["range"]["start"] == {"line": 3, "character": 0}
    assert code["location"]["anchor"]["quote"] == "def log_in(user):\ntoken = fetch(user)"
    assert (note["kind"], note["content"]) == ("note", "why twice?")
    assert note["location"]["range"]["start"] == {"line": 6, "character": 0}
    assert note["location"]["anchor"] == {
        "quote": "token = fetch(user)",
        "before": ["", "", "def log_in(user):"],
        "after": ["return token", ""],
        "occurrences": 1,
    }
    # In the list of the file they are where they are now; one has lost its line.
    nvim.lua("vim.fn.setline(6, 'def log_out(user):')")
    nvim.command("Tenets file")
    nvim.wait_for("vim.bo.buftype == 'quickfix'")
    items = "vim.tbl_map(function(one) return { one.lnum, one.text } end, vim.fn.getloclist(0))"
    assert nvim.lua(f"return {items}") == [
        [7, "why twice? · billing"],
        [0, "was line 4 · def log_in(user): · billing"],
    ]
    nvim.type("<CR>")
    nvim.wait_for("vim.fn.bufname() == 'login.py' and vim.fn.line('.') == 7")
    nvim.command("lclose")
    # From its buffer it leads back to its line.
    nvim.command("write")
    nvim.command("1")
    nvim.command("Tenets notes")
    code_lines = ("def log_in(user):", "    token = fetch(user)")
    nvim.wait_until_text_is("── 1 …", *code_lines, "", "── 2 …", "why twice?")
    nvim.type("<CR>")
    nvim.wait_for("vim.fn.bufname():find('login.py$') and vim.fn.line('.') == 7")
    nvim.command("Tenets notes")
    nvim.wait_for("vim.fn.bufname() == 'tenets://session/billing'")
    nvim.type("gg<CR>")
    nvim.wait_until_told("tenets: the line is not there any more; it was line 4")


def test_notes_are_marked_at_their_lines(opened: Opener, person: Person, project: Path) -> None:
    (project / "login.py").write_text(SOURCE)
    person.does("note", "--at", "login.py:5", "why twice?")
    marks = """(function()
        local namespace = vim.api.nvim_create_namespace('tenets_marks')
        local found = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
        return vim.tbl_map(function(mark)
            local text = mark[4].virt_text
            return (mark[2] + 1) .. (text and ' ' .. text[1][1] or '')
        end, found)
    end)()"""
    with opened() as nvim:
        nvim.setup(marks="text")
        nvim.command("edit login.py")
        nvim.wait_for(f"vim.deep_equal({marks}, args[1])", ["5 ✎ why twice?"])
        # It moves with its line.
        nvim.lua("vim.fn.append(0, '# one')")
        assert nvim.lua(f"return {marks}") == ["6 ✎ why twice?"]
        person.does("note", "--at", "login.py:1", "import less")
        both = ["2 ✎ import less", "6 ✎ why twice?"]
        nvim.wait_for(f"vim.deep_equal({marks}, args[1])", both)
        nvim.setup(marks="sign")
        nvim.wait_for(f"vim.deep_equal({marks}, args[1])", ["2", "6"])
        shown = """
            vim.o.signcolumn = 'yes:1'
            vim.cmd('redraw!')
            return vim.fn.screenstring(2, 1) .. vim.fn.screenstring(6, 1)
        """
        assert nvim.lua(shown) == "✎✎"
        # Where there is a diagnostic, its sign is the one that is shown.
        nvim.lua("""
            local one = { lnum = 5, col = 0, message = 'wrong', severity = 1 }
            vim.diagnostic.set(vim.api.nvim_create_namespace('linter'), 0, { one })
        """)
        assert nvim.lua(shown) == "✎E"
        nvim.setup(marks=False)
        assert nvim.lua(f"return {marks}") == []


def test_frozen_or_slow_a_server_does_not_let_notes_be_written_that_were_not_read(
    opened: Opener, server: ServerProgram, person: Person
) -> None:
    person.does("note", "first")
    with opened() as nvim:
        nvim.setup(cmd=[str(server.path), "--standalone", "--database", str(person.database)])
        nvim.command("Tenets")
        nvim.wait_until_told("tenets: billing (active in every editor)")
        (frozen,) = server.pids()
        os.kill(frozen, signal.SIGSTOP)
        nvim.command("split tenets://session/billing")
        nvim.type(":w<CR>")
        nvim.wait_until_told("tenets: the notes are not read yet: try again")
        os.kill(frozen, signal.SIGCONT)
        nvim.wait_until_text_is("── 1 …", "first")
        nvim.command("e!")
        nvim.wait_until_text_is("── 1 …", "first")
    assert contents(person) == ["first"]


def test_a_frozen_server_is_waited_for_once(
    opened: Opener, server: ServerProgram, person: Person
) -> None:
    person.does("note", "first")
    with opened() as nvim:
        nvim.setup(cmd=[str(server.path), "--standalone", "--database", str(person.database)])
        nvim.command("Tenets notes")
        nvim.wait_until_text_is("── 1 …", "first")
        (frozen,) = server.pids()
        os.kill(frozen, signal.SIGSTOP)
        took = nvim.lua("""
            local start = vim.fn.reltime()
            vim.fn.setline(2, 'changed')
            vim.cmd('Tenets note')
            vim.fn.setline('$', 'added')
            vim.cmd('stopinsert')
            vim.cmd('write')
            pcall(vim.cmd, 'wqall')
            return vim.fn.reltimefloat(vim.fn.reltime(start))
        """)
        assert 4 < took < 9  # not twice five seconds
        nvim.wait_for(
            "vim.fn.execute('messages'):find(args[1], 1, true)",
            "\ntenets: the last :w waits for its replies; :qa! leaves anyway",
        )
        messages = nvim.messages()
        assert "\ntenets: no reply yet: notes may not be written; :qa! leaves anyway" in messages
        nvim.command("messages clear")
        nvim.command("doautocmd ExitPre")  # before 0.9, :wqall does not do that
        nvim.wait_until_told(
            "tenets: no reply to addContext, updateContext: executed later, or not at all"
        )
        assert is_modified(nvim)
        os.kill(frozen, signal.SIGCONT)
        nvim.wait_until_told("tenets: the notes are written")
        nvim.wait_for("not vim.bo.modified")
        nvim.wait_until_text_is("── 1 …", "changed", "", "── 2 …", "added")
    assert contents(person) == ["changed", "added"]


def test_what_was_written_although_the_reply_was_lost_is_no_conflict(
    nvim: Neovim, person: Person
) -> None:
    person.does("note", "first\n")
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── 1 …", "first")
    nvim.lua("vim.fn.setline(2, 'mine')")
    person.does("edit", "1", "mine\n")  # as the server has it then
    nvim.type(":w<CR>")
    nvim.wait_for("not vim.bo.modified")
    assert nvim.messages() == ""


def test_a_buffer_of_notes_becomes_a_file_under_another_name(
    nvim: Neovim, person: Person, project: Path
) -> None:
    person.does("note", "first")
    nvim.command("Tenets notes")
    nvim.wait_until_text_is("── 1 …", "first")
    nvim.type(":saveas notes.md<CR>Gccother<Esc>:w<CR>")
    nvim.wait_for("not vim.bo.modified")
    assert (project / "notes.md").read_text().splitlines()[1:] == ["other"]
    assert contents(person) == ["first"]
