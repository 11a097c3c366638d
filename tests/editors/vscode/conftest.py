"""A code-server with our extension, and somebody who uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from editors.plain_editors import SOURCE
from editors.vscode import code_server as vscode
from editors.vscode.code_server import CodeServer, Window
from support import shared
from support.people import Person


# Not for the session: while it is there, playwright has an event loop running, and tests of other
# modules run their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield vscode.launched(playwright)


@pytest.fixture(scope="session")
def vsix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vscode.packaged(tmp_path_factory.mktemp("extension"))


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory, vsix: Path, browser: Browser) -> Path:
    folder = tmp_path_factory.mktemp("extensions")
    CodeServer(tmp_path_factory.mktemp("install") / "x", browser, folder, "").install(vsix)
    return folder


@pytest.fixture(scope="module")
def code_server(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser, extensions: Path
) -> Iterator[CodeServer]:
    """One for all tests: each has a folder of its own, whose settings name its database."""
    folder = tmp_path_factory.mktemp("code-server") / "x"
    with CodeServer(folder, browser, extensions, "/usr/bin:/bin").running() as found:
        yield found


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Iterator[Person]:
    found = Person(database, tmp_path / "app")
    (found.folder / "login.py").write_text(SOURCE)
    vscode.settings(found.folder, database)
    yield found
    shared.stop(database)


@pytest.fixture
def window(code_server: CodeServer, person: Person) -> Iterator[Window]:
    """A window with one session, which is active."""
    person.does("create", "--switch", "billing")
    with code_server.window(person.folder) as found:
        expect(found.status).to_contain_text("billing")
        yield found
        found.page.screenshot(path=person.home / "at the end.png")
