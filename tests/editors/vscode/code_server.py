"""A VS Code that a test drives: code-server in Chromium, with the extension as it is published."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, Playwright, expect

from editors.node_support import npm
from editors.plain_editors import installed

EXTENSION: Final = Path(__file__).parents[3] / "client_examples" / "vscode"
HOLDER: Final = str(Path(__file__).parents[1] / "holder.py")
CODE_SERVER_VARIABLE: Final = "TENETS_TEST_CODE_SERVER"
DEADLINE: Final = 60.0
"""Seconds within which anything awaited has to happen; generous, as machines are shared."""
SETTINGS: Final[Mapping[str, object]] = {
    "editor.minimap.enabled": False,
    "files.autoSave": "off",  # as on a desktop; in a browser it is on
    "security.workspace.trust.startupPrompt": "never",
    "telemetry.telemetryLevel": "off",
    "workbench.startupEditor": "none",
    "window.confirmBeforeClose": "never",
}
# It asks the marketplace for updates, which no test needs.
NO_GALLERY: Final = '{"serviceUrl":"http://127.0.0.1:9/","itemUrl":"","resourceUrlTemplate":""}'
FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

expect.set_options(timeout=DEADLINE * 1000)


def launched(playwright: Playwright) -> Browser:
    """Start the machine's Chromium."""
    chromium = installed("chromium", "Debian: apt-get install chromium")
    return playwright.chromium.launch(executable_path=chromium, args=FLAGS)


def program() -> str:
    """Return the program; its absence is a failure, for then nothing has been tested."""
    given = os.environ.get(CODE_SERVER_VARIABLE, "")
    found = shutil.which(given) if given else None
    if found is None:
        pytest.fail(
            f"{CODE_SERVER_VARIABLE} is {given!r}, and has to name the program code-server, which"
            " is VS Code: .ci/build-code-server DIR makes it from npm and prints its path",
            pytrace=False,
        )
    return found


def packaged(folder: Path) -> Path:
    """Return the VSIX of the extension, made in a copy of its folder as its README tells."""
    copy = folder / "client_examples" / "vscode"
    shutil.copytree(
        EXTENSION, copy, ignore=shutil.ignore_patterns("node_modules", "dist", "*.vsix")
    )
    node_client = EXTENSION.with_name("node") / "tenets-session-client.d.mts"
    (folder / "client_examples" / "node").mkdir()
    shutil.copy(node_client, folder / "client_examples" / "node")
    npm(copy, "ci", "--no-audit", "--no-fund")
    npm(copy, "run", "package")
    return copy / "tenets-sessions.vsix"


def extension_of_tests(folder: Path, name: str, built: Path, *, bundles: bool = False) -> Path:
    """Return the VSIX of an extension that lies beside this file; ``built`` has the tools.

    ``bundles``: what it imports is put into its one file.
    """
    copy = folder / f"extension {name}"
    shutil.copytree(Path(__file__).with_name(name), copy)
    package = copy / f"{name}.vsix"
    programs = built / "node_modules" / ".bin"
    if bundles:
        flags = ("--bundle", "--platform=node", "--external:vscode", "--minify")
        into = f"--outfile={copy / 'dist' / 'extension.js'}"
        bundle = [str(programs / "esbuild"), str(copy / "extension.js"), *flags, into]
        paths = {**os.environ, "NODE_PATH": str(built / "node_modules")}
        subprocess.run(bundle, env=paths, check=True, capture_output=True)
        (copy / "extension.js").unlink()
    options = ("--allow-missing-repository", "--skip-license", "--no-dependencies")
    command = [str(programs / "vsce"), "package", *options, "--out", str(package)]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    return package


class CodeServer:
    """One code-server. Each page that is opened is a window with an extension host of its own."""

    def __init__(
        self,
        folder: Path,
        browser: Browser,
        extensions: Path,
        path: str,
        *,
        trusts: bool = True,
    ) -> None:
        self._folder, self._browser, self._extensions = folder, browser, extensions
        self._trust = ["--disable-workspace-trust"] if trusts else []
        home = folder / "home"
        home.mkdir(parents=True)
        # The extension host has the PATH of the user's shell.
        (home / ".profile").write_text(f"export PATH={path}\n")
        self._environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "EXTENSIONS_GALLERY": NO_GALLERY,
            "XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"],
        }
        user = folder / "user" / "User"
        user.mkdir(parents=True)
        (user / "settings.json").write_text(json.dumps(SETTINGS))

    def command(self, *arguments: str) -> list[str]:
        """Return a command line."""
        folders = ("--user-data-dir", self._folder / "user", "--extensions-dir", self._extensions)
        return [program(), *map(str, folders), *arguments]

    def install(self, vsix: Path) -> None:
        """Install an extension."""
        command = self.command("--install-extension", str(vsix))
        subprocess.run(command, env=self._environment, check=True, capture_output=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Run it for the block."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        command = self.command(
            *("--auth", "none", "--bind-addr", f"127.0.0.1:{self._port}", "--disable-telemetry"),
            *("--disable-update-check", "--disable-getting-started-override"),
            *self._trust,
        )
        with (
            (self._folder / "log").open("wb") as log,
            subprocess.Popen(command, env=self._environment, stdout=log, stderr=log) as process,
        ):
            # The windows are of one browser, which keeps the compiled scripts of VS Code.
            self._context = self._browser.new_context(viewport={"width": 1150, "height": 700})
            try:
                self._wait_until_ready()
                yield self
            finally:
                self._context.close()
                process.terminate()

    @contextlib.contextmanager
    def window(self, opened: Path | None, *, script: str = "") -> Iterator[Window]:
        """Open a folder, a ``.code-workspace``, or nothing, in a window of its own.

        ``script`` is JavaScript that is run in the page before anything else.
        """
        kind = "workspace" if opened and opened.suffix == ".code-workspace" else "folder"
        query = f"{kind}={opened}" if opened else "ew=true"
        page = self._context.new_page()
        try:
            page.set_default_timeout(DEADLINE * 1000)
            page.add_init_script(script)
            page.goto(f"http://127.0.0.1:{self._port}/?{query}")
            page.locator(".monaco-workbench").wait_for()
            yield Window(page)
        finally:
            page.close()

    def wait_until_kept(self, text: str) -> None:
        """Wait until VS Code has a copy of text that is not saved.

        Until then it asks before a page is left, and Playwright lets it go: the text is lost.
        """
        copies = self._folder / "user" / "User" / "Backups"
        end = time.monotonic() + DEADLINE
        while not any(text in file.read_text() for file in copies.glob("*/*/*")):
            assert time.monotonic() < end, f"there is no copy of {text!r}"
            time.sleep(0.1)  # it says nothing when it has written one

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + DEADLINE
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz"):
                    return
            except OSError:
                assert time.monotonic() < end, (self._folder / "log").read_text()
                time.sleep(0.1)  # it says nothing when it is ready


class Window:
    """A window of VS Code. Its methods do what a user does, and find what a user sees."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def status(self) -> Locator:
        """Our item of the status bar."""
        return self.page.locator('.statusbar-item[id="tenets.tenets-sessions.tenets.session"]')

    def violations(self, axe: Path) -> set[tuple[str, str]]:
        """Return what axe-core finds serious: the rules, and the elements that break them."""
        # VS Code's own bar for progress has no name.
        expect(self.page.locator(".monaco-progress-container.active")).to_have_count(0)
        self.page.evaluate(axe.read_text())
        found = self.page.evaluate("axe.run()")
        return {
            (one["id"], str(node["target"]))
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        }

    @property
    def rows(self) -> Locator:
        """The rows of our view."""
        return self.page.locator(".sidebar .monaco-list-row")

    def row(self, text: str) -> Locator:
        """Return the row of our view with a text."""
        return self.rows.filter(has_text=text)

    def file(self, name: str) -> Locator:
        """Return the row of the explorer with a file."""
        rows = self.page.locator(".explorer-folders-view .monaco-list-row")
        return rows.filter(has_text=name)

    def scrolls_to(self, text: str) -> None:
        """Scroll down until the row with a text is drawn."""
        self.page.locator(".sidebar .monaco-list").first.hover(force=True)
        end = time.monotonic() + DEADLINE
        while self.row(text).count() == 0:
            assert time.monotonic() < end, f"there is no row: {text}"
            self.page.mouse.wheel(0, 200)

    def notification(self, text: str) -> Locator:
        """Return the message with a text."""
        return self.page.locator(".notification-toast").filter(has_text=text)

    def presses(self, message: str, button: str) -> None:
        """Press a button of a message."""
        buttons = self.notification(message).locator(".monaco-button")
        buttons.filter(has_text=button).click()

    def unfolds(self, text: str) -> None:
        """Show what is below the row with a text."""
        self.row(text).locator(".monaco-tl-twistie").click()

    def opens_note(self, session: str, note: str) -> None:
        """Open a note in our view, whose session is folded."""
        self.opens_view()
        self.unfolds(session)
        self.row(note).click()
        expect(self.editor).to_contain_text(note)

    def chooses(self, row: Locator, item: str) -> None:
        """Choose from the context menu of a row."""
        row.click(button="right")
        menu = self.page.locator(".context-view .monaco-menu")
        label = menu.locator(".action-label").get_by_text(item, exact=True)
        label.hover()
        self.page.keyboard.press("Enter")
        expect(menu).to_have_count(0)

    @property
    def picker(self) -> Locator:
        """The quick pick, or input box."""
        return self.page.locator(".quick-input-widget")

    @property
    def editor(self) -> Locator:
        """The text of the editor with the focus."""
        return self.page.locator(".editor-group-container.active .view-lines")

    def text(self, tab: str) -> Locator:
        """Return the text of the group that shows the tab with a title."""
        groups = self.page.locator(".editor-group-container").filter(has=self.tab(tab))
        return groups.locator(".view-lines")

    @property
    def preview(self) -> FrameLocator:
        """What is in the window's webview."""
        return self.page.frame_locator("iframe.webview.ready").frame_locator("#active-frame")

    def tab(self, text: str) -> Locator:
        """Return the tab with a title."""
        return self.page.locator(".tab").filter(has_text=text)

    def opens_view(self) -> None:
        """Show our view."""
        self.page.locator('.activitybar .action-label[aria-label^="Tenets"]').click()

    def focuses_view(self) -> None:
        """Give the focus to our view, which has rows: VS Code gives an empty one none."""
        self.runs("Tenets: Focus on Sessions View")
        expect(self.page.locator(".sidebar .monaco-list")).to_be_focused()

    def runs(self, title: str) -> None:
        """Run a command from the palette."""
        self.page.keyboard.press("F1")
        self.types(title, after=">")
        self.pick(title)

    def types(self, text: str, *, after: str = "") -> None:
        """Type into the quick pick, or input box, once it is ready for it: it has a text."""
        box = self.picker.locator("input[type=text]")
        expect(box).to_be_focused()
        expect(box).to_have_value(after)
        self.page.keyboard.type(text)
        expect(box).to_have_value(f"{after}{text}")

    def pick(self, text: str) -> None:
        """Pick from the list that is open, once it has a text."""
        self.picker.locator(".monaco-list-row").filter(has_text=text).first.click()

    def answers(self, title: str, text: str) -> None:
        """Answer the input box with a title."""
        expect(self.picker).to_contain_text(title)
        expect(self.picker.locator("input[type=text]")).to_be_focused()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def chooses_file(self, name: str) -> None:
        """Choose a file of the folder in the dialog.

        Enter does not do: the dialog drops it while it is busy with a path that was typed.
        """
        expect(self.picker.locator("input[type=text]")).to_have_value(re.compile("./$"))
        self.pick(name)
        expect(self.picker).to_be_hidden()

    def opens(self, name: str) -> None:
        """Open a file of the folder by its name."""
        expect(self.picker).to_be_hidden()  # one that is just closing takes the next one with it
        self.page.keyboard.press("Control+p")
        self.types(name)
        self.pick(name)
        expect(self.page.locator(".tab.active").filter(has_text=name).first).to_be_visible()

    def selects_lines(self, first: int, last: int) -> None:
        """Select whole lines."""
        self.page.keyboard.press("Control+g")
        self.types(f"{first}", after=":")
        self.pick(f"Go to line {first}.")  # Enter is dropped while the row is not there yet
        expect(self.picker).to_be_hidden()
        for _ in range(last - first + 1):
            self.page.keyboard.press("Shift+ArrowDown")


def settings(folder: Path, database: Path, **others: object) -> None:
    """Have the windows of a folder use a database; ``others`` are settings of the workbench."""
    workbench = {f"workbench.{name}": value for name, value in others.items()}
    (folder / ".vscode").mkdir(parents=True, exist_ok=True)
    given = json.dumps({**server_setting(database), **workbench})
    (folder / ".vscode" / "settings.json").write_text(given)


def server_setting(database: Path) -> dict[str, list[str]]:
    """Return the setting that names the server."""
    command = [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
    return {"tenets.server.command": command}


def installed_program(folder: Path, database: Path) -> Path:
    """Put the server on a PATH of its own; return its folder."""
    folder.mkdir()
    program = folder / "tenets-session-server"
    line = f'exec {sys.executable} -m tenets_session_server --database {database} "$@"'
    program.write_text(f"#!/bin/sh\n{line}\n")
    program.chmod(0o755)
    return folder
