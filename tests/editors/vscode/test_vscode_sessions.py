"""Sessions in VS Code: the status bar, the view, and the commands on them."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from editors.vscode.code_server import Window
from support.people import Person
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

pytestmark = pytest.mark.editors


def test_sessions_are_switched_created_and_left_in_the_status_bar(
    window: Window, person: Person
) -> None:
    person.does("create", "--switch", "review")
    expect(window.status).to_contain_text("review")
    window.status.click()
    expect(window.picker).to_contain_text("Switch session")
    window.pick("billing")
    expect(window.status).to_contain_text("billing")
    assert person.does("prompt") == "billing\n"
    # A name is typed once, and means itself.
    window.status.click()
    expect(window.picker).to_contain_text("Switch session")
    window.types("the $(trash) can")
    window.pick("Create a session")
    expect(window.picker).to_contain_text("It becomes the active session")
    expect(window.picker.locator("input[type=text]")).to_have_value("the $(trash) can")
    window.page.keyboard.press("Enter")
    expect(window.status).to_contain_text(re.compile(r"the \$\u200b?\(trash\) can"))
    assert person.does("prompt") == "the $(trash) can\n"
    window.status.click()
    window.pick("Leave the")
    expect(window.status).to_contain_text("no session")
    assert person.does("prompt") == ""


def test_a_burst_of_switches_is_shown_without_flicker(window: Window, person: Person) -> None:
    person.does("create", "review")
    window.status.evaluate(
        """(item) => {
            window.shown = [];
            const look = () => window.shown.push(item.textContent.trim());
            const all = {subtree: true, childList: true, characterData: true};
            new MutationObserver(look).observe(item, all);
        }"""
    )
    with SessionDB(TenetsConfig(database=person.database)) as db:
        for _ in range(100):
            db.set_active("billing", True)
            db.set_active("review", True)
        db.create_session("last", {"active": True})
    expect(window.status).to_contain_text("last")
    shown = window.page.evaluate("window.shown")
    assert {*shown} <= {"billing", "review", "last"}, "nothing is shown in between"
    assert len(shown) < 200, "not every change is drawn"


def test_the_tooltip_has_the_last_notes(window: Window, person: Person) -> None:
    for number in range(7):
        person.does("note", f"*note* {number}")
    window.opens_view()
    window.unfolds("billing")
    expect(window.row("*note* 6")).to_be_visible()
    window.status.hover()
    tooltip = window.page.locator(".workbench-hover, .monaco-hover").filter(has_text="active in")
    expect(tooltip).to_contain_text("*note* 6")
    expect(tooltip).to_contain_text("*note* 2")
    expect(tooltip).not_to_contain_text("*note* 1")


def test_a_folder_that_is_bound_keeps_its_session(window: Window, person: Person) -> None:
    person.does("create", "review")
    window.status.click()
    window.pick("Bind the folder app to billing")
    person.does("switch", "review")
    window.opens_view()
    expect(window.row("review")).to_contain_text("active")
    expect(window.row("billing")).to_contain_text("this folder")
    expect(window.status).to_contain_text("billing")


def test_sessions_are_renamed_copied_and_reset(window: Window, person: Person) -> None:
    person.does("note", "first")
    window.opens_view()
    window.chooses(window.row("billing"), "Rename Session...")
    expect(window.picker).to_contain_text("Rename billing")
    window.page.keyboard.press("Control+a")
    window.answers("Rename billing", "invoices")
    expect(window.status).to_contain_text("invoices")
    window.chooses(window.row("invoices"), "Copy Session...")
    window.answers("Copy invoices", "invoices too")
    expect(window.row("invoices too")).to_contain_text("1")
    # A name that is taken is told, and can be mended.
    window.chooses(window.row("invoices too"), "Rename Session...")
    expect(window.picker).to_contain_text("Rename invoices too")
    window.page.keyboard.press("Control+a")
    window.answers("Rename invoices too", "invoices")
    window.presses("already named 'invoices'", "Edit and Try Again")
    expect(window.picker.locator("input")).to_have_value("invoices")
    window.page.keyboard.press("Escape")
    window.chooses(window.row("invoices too"), "Reset Session...")
    message = "invoices too has no notes any more"
    expect(window.notification(message)).to_be_visible()
    assert person.gets("show", "invoices too")["entries"] == []
    window.presses(message, "Undo")
    expect(window.row("invoices too")).to_contain_text("1")


def test_a_session_goes_out_and_others_come_in(window: Window, person: Person) -> None:
    person.does("note", "first")
    window.opens_view()
    window.chooses(window.row("billing"), "Export Session as Markdown")
    expect(window.editor).to_contain_text("first")
    expect(window.page.locator(".statusbar-item").filter(has_text="Markdown")).to_be_visible()
    exported = person.folder / "exported.json"
    exported.write_text(person.does("export", "--format", "json", "billing"))
    window.runs("Tenets: Import Sessions")
    window.chooses_file(exported.name)
    expect(window.rows.filter(has_text="billing")).to_have_count(2)
    # What is no export says where it is wrong, and nothing is lost.
    exported.write_text('{"sessions": 1}')
    window.runs("Tenets: Import Sessions")
    window.chooses_file(exported.name)
    expect(window.notification("sessions")).to_be_visible()


def test_what_others_changed_is_listed_once(window: Window, person: Person) -> None:
    window.runs("Tenets: What Changed While I Was Away")
    done = window.page.locator(".statusbar-item").filter(has_text="Nothing has changed")
    expect(done).to_be_visible()
    person.does("note", "of theirs")
    person.does("create", "review")
    window.runs("Tenets: What Changed While I Was Away")
    expect(window.picker).to_contain_text("What others have changed")
    rows = window.picker.locator(".monaco-list-row")
    expect(rows.first).to_contain_text("review")
    expect(rows.first).to_contain_text("session created")
    expect(rows.last).to_contain_text("billing · added")
    window.pick("of theirs")
    expect(window.tab("of theirs.md")).to_be_visible()
    expect(done).to_have_count(0)
    window.runs("Tenets: What Changed While I Was Away")
    expect(done).to_be_visible()


def test_what_is_deleted_comes_back(window: Window, person: Person) -> None:
    person.does("note", "first")
    window.opens_view()
    window.row("billing").click(button="right")
    window.page.locator(".context-view").get_by_text("Delete").hover()
    window.page.keyboard.press("Enter")
    expect(window.row("billing")).to_have_count(0)
    expect(window.status).to_contain_text("no session")
    window.presses("Deleted billing", "Undo")
    expect(window.row("billing")).to_be_visible()
    assert [one["content"] for one in person.gets("show", "billing")["entries"]] == ["first"]
    # From the trash, too.
    person.does("delete", "--yes", "billing")
    window.unfolds("Trash")
    item = window.row("deleted")
    item.hover()
    item.locator('.action-label[aria-label="Restore"]').click()
    expect(window.row("billing")).to_be_visible()


def test_several_are_deleted_at_once_with_the_keyboard(window: Window, person: Person) -> None:
    person.does("create", "review")
    person.does("note", "first")
    person.does("note", "second")
    window.opens_view()
    window.unfolds("billing")
    window.row("second").click()
    window.row("first").click(modifiers=["Control"])
    window.row("review").click(modifiers=["Control"])
    window.page.keyboard.press("Delete")
    expect(window.row("review")).to_have_count(0)
    assert person.gets("show", "billing")["entries"] == []
    window.presses("Deleted 3 items", "Undo")
    expect(window.row("review")).to_be_visible()
    expect(window.row("first")).to_be_visible()
    expect(window.row("second")).to_be_visible()
    # For good.
    person.does("delete", "--yes", "review")
    window.chooses(window.row("Trash"), "Empty Trash...")
    window.page.locator(".monaco-dialog-box").get_by_text("Empty Trash", exact=True).click()
    expect(window.row("Trash")).to_have_count(0)


def test_the_keyboard_is_enough(window: Window, person: Person) -> None:
    person.does("note", "first")
    press = window.page.keyboard.press
    window.runs("Tenets: Focus on Sessions View")
    expect(window.row("billing")).to_be_visible()
    window.focuses_view()
    press("ArrowDown")
    press("Enter")
    expect(window.row("first")).to_be_visible()
    press("F2")
    expect(window.picker).to_contain_text("Rename billing")
    press("Control+a")
    window.answers("Rename billing", "invoices")
    expect(window.row("invoices")).to_be_visible()
    window.focuses_view()
    press("Home")
    press("ArrowDown")
    press("Enter")
    expect(window.tab("first.md")).to_be_visible()
    press("Delete")
    expect(window.row("first")).to_have_count(0)
    assert person.gets("show", "invoices")["entries"] == []
    press("Control+k")
    press("t")
    expect(window.picker).to_contain_text("Switch session")
    press("Escape")
    # These keys are left to a terminal, and to a notebook.
    window.runs("Terminal: Create New Terminal")
    expect(window.page.locator(".xterm.focus")).to_be_visible()
    press("Control+k")
    press("t")
    expect(window.page.locator(".statusbar")).to_contain_text("(Ctrl+K, T) is not a command")
    expect(window.picker).to_be_hidden()


def test_ten_thousand_sessions_are_paged_and_filtered(window: Window, person: Person) -> None:
    exported = json.loads(person.does("export", "--format", "json", "billing"))
    (session,) = exported["sessions"]
    many = [{**session, "name": f"session {number}"} for number in range(10_000)]
    person.does("import", "-", given=json.dumps({**exported, "sessions": many}))
    window.opens_view()
    expect(window.row("session 9999")).to_be_visible()
    expect(window.rows.first).to_contain_text("billing")
    window.rows.first.click()
    window.page.keyboard.press("End")
    window.row("Show more").click()
    window.scrolls_to("session 9850")
    window.runs("Tenets: Filter Sessions")
    window.answers("Filter sessions by name", "session 77")
    # Older than the thousand most recent ones, it is found by the beginning of its name.
    window.scrolls_to("session 7701")
    window.runs("Tenets: Clear the Filter")
    expect(window.rows.filter(has_text=re.compile("session 9[89]")).first).to_be_visible()
