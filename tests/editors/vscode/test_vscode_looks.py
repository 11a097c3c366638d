"""How our parts of VS Code look and read, for everybody."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from editors.node_support import npm
from editors.vscode import code_server as vscode
from editors.vscode.code_server import EXTENSION, CodeServer, Window
from support.people import Person

pytestmark = pytest.mark.editors


THEMES = {
    "Default Light Modern": "vs",
    "Default Dark Modern": "vs-dark",
    "Default High Contrast": "hc-black",
}
"""The themes, and the class that the workbench has in them."""


def test_nobody_is_kept_out_by_it(code_server: CodeServer, person: Person, vsix: Path) -> None:
    """What is ours adds nothing serious, in each theme, to what axe-core finds without us."""
    axe = vsix.parent / "node_modules" / "axe-core" / "axe.min.js"
    person.does("create", "review")
    person.does("create", "--switch", "billing")
    person.does("note", "--at", "login.py:5", "why twice?")
    person.does("delete", "--yes", "review")
    with code_server.window(person.folder) as window:
        expect(window.status).to_contain_text("billing")
        window.opens("login.py")
        # Its colours are those of every inlay hint: too pale for axe-core in the light theme.
        expect(window.page.locator(".view-line").filter(has_text="why twice?")).to_be_visible()
        window.opens_view()
        window.unfolds("billing")
        window.unfolds("Trash")
        for theme, class_ in THEMES.items():
            vscode.settings(person.folder, person.database, colorTheme=theme)
            expect(window.page.locator(f".monaco-workbench.{class_}")).to_be_visible()
            window.page.keyboard.press("Control+Shift+E")
            expect(window.page.locator(".explorer-folders-view")).to_be_visible()
            before = window.violations(axe)
            window.opens_view()
            expect(window.row("deleted")).to_be_visible()
            rules = {rule for rule, _ in before}
            added = {one for one in window.violations(axe) - before if one[0] not in rules}
            window.page.screenshot(path=person.home / f"{theme} view.png")
            assert added == set()
            window.status.click()
            expect(window.picker).to_contain_text("billing")
            window.page.screenshot(path=person.home / f"{theme} switch.png")
            window.page.keyboard.press("Escape")


def test_the_walkthrough_leads_through_four_steps(window: Window, person: Person) -> None:
    window.runs("Welcome: Open Walkthrough")
    window.pick("Get Started with Tenets Sessions")
    walkthrough = window.page.locator(".gettingStartedContainer")
    steps = walkthrough.locator(".getting-started-step")
    expect(steps).to_have_count(4)
    walkthrough.get_by_role("button", name="Look again").click()
    expect(steps.first.locator(".codicon-getting-started-step-checked")).to_be_visible()
    for title in ("Create a session", "Keep some lines", "Find it again"):
        walkthrough.get_by_text(title, exact=True).first.click()
        window.page.screenshot(path=person.home / f"{title}.png")
    walkthrough.get_by_role("button", name="Search").click()
    expect(window.picker).to_contain_text("Search notes and sessions")


def test_its_strings_are_ready_to_be_translated(vsix: Path) -> None:
    """The strings of the code are in the bundle, and those of the manifest in package.nls.json."""
    npm(vsix.parent, "run", "l10n")
    bundle = Path("l10n") / "bundle.l10n.json"
    assert (vsix.parent / bundle).read_text() == (EXTENSION / bundle).read_text(), "npm run l10n"
    manifest = (EXTENSION / "package.json").read_text()
    named = {*re.findall(r'"%([\w.]+)%"', manifest)}
    assert named == {*json.loads((EXTENSION / "package.nls.json").read_text())}
