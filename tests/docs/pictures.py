"""Make the pictures of the extension of VS Code, in a real VS Code.

    python tests/docs/pictures.py

It writes ``client_examples/vscode/media/*.png``, and needs what the tests of VS Code need.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from editors.vscode import code_server as vscode
from editors.vscode.code_server import EXTENSION, CodeServer, Window
from support import shared
from support.people import Person

CODE: Final = '''\
import time

from shop.store import find_user, save_token


def log_in(name: str, password: str) -> str:
    """Return a new token of a user."""
    user = find_user(name)
    if not user.accepts(password):
        raise PermissionError("the password is wrong")
    return refresh(user.token)


def refresh(token: str) -> str:
    """Return a token that is valid for an hour."""
    issued = int(time.time())
    fresh = f"{token.partition('.')[0]}.{issued}"
    save_token(fresh)
    return fresh
'''

REVIEW: Final = """\
The lexer reads each token twice, too.

- `Lexer.peek` throws away what it has read
- `Parser.expect` calls `peek`, and then `next`
- so a file of 1 MiB takes 2.3 s, of which half is wasted

Questions for the author:

1. Is `peek` called from elsewhere?
2. May it keep one token?
"""


def fill(person: Person) -> None:
    """Have three sessions; the active one has notes, two of them at lines."""
    (person.folder / "auth.py").write_text(CODE)
    for name in ("release 2.1", "review parser"):
        person.does("create", name)
    person.does("create", "--switch", "fix login")
    person.does("note", "# Plan\n\n1. refresh once\n2. a test with two windows\n")
    person.does("note", "--at", "auth.py:16", "the server's clock is 40 s ahead")
    person.does("note", "--at", "auth.py:11", "why is it refreshed twice?")
    person.does("note", "--session", "review parser", REVIEW)
    person.does("pin", "auth.py")
    person.does("create", "old spike")
    person.does("delete", "--yes", "old spike")


def take(window: Window) -> None:
    """Take the pictures, one after the other."""
    media = EXTENSION / "media"
    expect(window.status).to_contain_text("fix login")
    window.opens("auth.py")
    window.tab("auth.py").dblclick()  # so that it stays
    window.opens_view()
    window.unfolds("fix login")
    expect(window.row("why is it refreshed twice?")).to_be_visible()
    expect(window.page.locator(".view-line").filter(has_text="refreshed twice?")).to_be_visible()
    window.editor.hover()
    expect(window.page.locator(".workbench-hover")).to_have_count(0)
    window.page.screenshot(path=media / "window.png")
    window.status.click()
    expect(window.picker).to_contain_text("review parser")
    window.page.screenshot(path=media / "switch.png")
    window.page.keyboard.press("Escape")
    window.runs("Tenets: Search Notes and Sessions")
    expect(window.picker).to_contain_text("Search notes and sessions")
    window.page.keyboard.type("twice")
    expect(window.picker.locator(".monaco-list-row")).to_have_count(2)
    expect(window.editor).to_contain_text("May it keep one token?")
    window.page.screenshot(path=media / "search.png")


def main() -> int:
    """Make them."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        os.environ["XDG_RUNTIME_DIR"] = name
        playwright = stack.enter_context(sync_playwright())
        browser = vscode.launched(playwright)
        package = vscode.packaged(folder / "built")
        server = CodeServer(folder / "code", browser, folder / "extensions", "/usr/bin:/bin")
        server.install(package)
        person = Person(folder / "tenets.db", folder / "shop")
        vscode.settings(person.folder, person.database)
        fill(person)
        stack.callback(shared.stop, person.database)
        with server.running(), server.window(person.folder) as window:
            take(window)
    return 0


if __name__ == "__main__":
    sys.exit(main())
