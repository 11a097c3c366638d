"""What the extension of VS Code costs, beside one that has a language client and nothing else.

    python tests/benchmarks/vscode.py [--rounds N] [--notes N] [--parts PARTS] [--smoke]

It drives code-server in Chromium, as ``tests/editors/vscode`` does. Times are taken in the page,
when something is drawn. Printed are medians, and ratios of what is measured by turns.

* **activation**: from its beginning, as VS Code logs it, until the status bar shows the session;
  and the memory of the extension host then, as proportional set size. Both extensions start the
  same server.
* **switch**: from the request of another client until the status bar shows the session.
* **view**: from the click until its rows are drawn, with 10,000 sessions beside 100.
* **search**: from a key until it is drawn in the input box, and until there are other results,
  with 100,000 notes beside 100.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, expect, sync_playwright

# In place of this folder, whose editors.py would hide the folder of the same name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.people import fill
from benchmarks.report import environment
from editors.vscode import code_server as vscode
from editors.vscode.code_server import CodeServer, Window
from support import shared
from support.people import Person, an_editor
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

# What an extension's item shows when it has started, and its name.
CASES: Final = {
    "ours": ("billing", "tenets.tenets-sessions"),
    "empty": ("started", "tests.empty"),
}
# Times in milliseconds since the epoch, as those of this process are.
OBSERVE: Final = """() => {
    const now = () => performance.timeOrigin + performance.now();
    window.seen = [];
    let last = "";
    const look = () => {
        const item = document.querySelector('.statusbar-item[id$=".session"]');
        const text = item?.textContent.trim() ?? "";
        if (text !== last) window.seen.push([now(), last = text]);
    };
    const all = {subtree: true, childList: true, characterData: true};
    new MutationObserver(look).observe(document, all);
}"""
ROWS: Final = """() => {
    let begin;
    addEventListener("mousedown", () => begin = performance.now(), {capture: true, once: true});
    window.rowsShown = new Promise((done) => {
        const observer = new MutationObserver(() => {
            const rows = document.querySelectorAll('.sidebar .monaco-list-row');
            if (begin && [...rows].some((row) => row.textContent.includes("session "))) {
                observer.disconnect();
                done(performance.now() - begin);
            }
        });
        observer.observe(document, {subtree: true, childList: true, characterData: true});
    });
}"""
KEYS: Final = """() => {
    const input = document.querySelector(".quick-input-widget input");
    const list = document.querySelector(".quick-input-list");
    window.keys = [];
    window.results = [];
    let begin = 0;
    input.addEventListener("keydown", () => {
        begin = performance.now();
        const own = begin;
        requestAnimationFrame(() => setTimeout(() => window.keys.push(performance.now() - own)));
    }, true);
    new MutationObserver(() => {
        if (begin) window.results.push(performance.now() - begin);
        begin = 0;
    }).observe(list, {subtree: true, childList: true, characterData: true});
}"""


def pss(pid: int) -> float:
    """Return the proportional set size of a process in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (line,) = (one for one in lines if one.startswith("Pss:"))
    return int(line.split()[1]) / 1000


def extension_hosts(home: Path) -> set[int]:
    """Return the extension hosts of a user that run on this machine."""
    found = set[int]()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            variables = (process / "environ").read_bytes().split(b"\0")
            if b"--type=extensionHost" in words and f"HOME={home}".encode() in variables:
                found.add(int(process.name))
    return found


class Bench:
    """A folder, a browser, and the two extensions, each in a code-server of its own."""

    def __init__(self, folder: Path, browser: Browser, stack: contextlib.ExitStack) -> None:
        self._folder, self._browser, self._stack = folder, browser, stack
        ours = vscode.packaged(folder / "built")
        empty = vscode.extension_of_tests(folder, "empty", ours.parent, bundles=True)
        self._servers = {
            name: self._server(name, package)
            for name, package in (("ours", ours), ("empty", empty))
        }

    def _server(self, name: str, package: Path) -> CodeServer:
        extensions = self._folder / name / "extensions"
        server = CodeServer(self._folder / name / "x", self._browser, extensions, "/usr/bin:/bin")
        server.install(package)
        return self._stack.enter_context(server.running())

    def person(self, name: str) -> Person:
        """Return somebody with a session that is active."""
        person = Person(self._folder / name / "tenets.db", self._folder / name / "app")
        person.does("create", "--switch", "billing")
        vscode.settings(person.folder, person.database)
        self._stack.callback(shared.stop, person.database)
        return person

    @contextlib.contextmanager
    def window(self, name: str, person: Person, text: str) -> Iterator[Window]:
        """Open a window; it is there once its status bar has a text."""
        with self._servers[name].window(person.folder, script=f"({OBSERVE})()") as window:
            status = window.page.locator('.statusbar-item[id$=".session"]')
            expect(status).to_contain_text(text)
            yield window

    def activation(self, name: str, person: Person) -> tuple[float, float]:
        """Return milliseconds from the activation to the text, and the extension host's MB."""
        text, extension = CASES[name]
        home = self._folder / name / "x" / "home"
        before = extension_hosts(home)
        with self.window(name, person, text) as window:
            seen: list[tuple[float, str]] = window.page.evaluate("window.seen")
            end = next(at for at, shown in seen if text in shown)
            time.sleep(3)  # until what VS Code itself does at its start is over
            (host,) = extension_hosts(home) - before
            return end - self._activated(name, extension), pss(host)

    def _activated(self, name: str, extension: str) -> float:
        """Return when VS Code began to activate an extension, as the newest log has it."""
        logs = (self._folder / name / "x" / "user" / "logs").glob("*/exthost*/remoteexthost.log")
        lines = max(logs, key=lambda log: log.stat().st_mtime).read_text().splitlines()
        (line,) = (one for one in lines if f"_doActivateExtension {extension}," in one)
        return datetime.fromisoformat(line[:23]).astimezone().timestamp() * 1000


def print_activation(bench: Bench, rounds: int) -> None:
    """Print how long our extension and the empty one take to start, and what they hold."""
    person = bench.person("activation")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    with an_editor(person):  # so that no round starts the daemon
        for _ in range(rounds):
            for name in CASES:
                found[name].append(bench.activation(name, person))
                print("   ", name, *(round(one, 1) for one in found[name][-1]), flush=True)
    for what, unit, column in (("activation", "ms", 0), ("extension host", "MB", 1)):
        ours, empty = (
            statistics.median(one[column] for one in found[name]) for name in ("ours", "empty")
        )
        ratio = ours / empty
        print(f"  {what:36}{ours:9.1f} {unit}  empty {empty:9.1f} {unit}  {ratio:5.2f} x")


def print_switch(bench: Bench, switches: int) -> None:
    """Print how long a switch elsewhere takes until this status bar shows it."""
    person = bench.person("switch")
    times: list[float] = []
    with (
        bench.window("ours", person, "billing") as window,
        SessionDB(TenetsConfig(database=person.database)) as db,
    ):
        for number in range(switches):
            name = f"session {number}"
            db.create_session(name)
            begin = time.time() * 1000
            db.set_active(name, True)
            expect(window.status).to_have_text(name)
            seen: list[tuple[float, str]] = window.page.evaluate("window.seen")
            times.append(next(at for at, text in reversed(seen) if text == name) - begin)
    p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(f"  {'a switch elsewhere is shown':36}{p50:9.1f} ms  p95   {p95:9.1f} ms")


def print_by_turns(title: str, many: list[float], few: list[float]) -> None:
    """Print two medians and their ratio."""
    one, other = statistics.median(many), statistics.median(few)
    print(f"  {title:36}{one:9.1f} ms  few   {other:9.1f} ms  {one / other:5.2f} x")


def print_view(bench: Bench, rounds: int, sessions: int) -> None:
    """Print how long the view takes with many sessions, and with 100."""
    many, few = bench.person("many sessions"), bench.person("few sessions")
    fill(many.database, sessions, 1)
    fill(few.database, min(100, sessions), 1)
    times: dict[str, list[float]] = {"many": [], "few": []}
    with (
        bench.window("ours", many, "billing") as window,
        bench.window("ours", few, "billing") as other,
    ):
        for turn in range(rounds + 1):
            for name, one in (("many", window), ("few", other)):
                one.page.keyboard.press("Control+Shift+E")
                expect(one.page.locator(".explorer-folders-view")).to_be_visible()
                one.page.bring_to_front()
                one.page.evaluate(ROWS)
                one.opens_view()
                taken = one.page.evaluate("window.rowsShown")
                if turn:  # the first time VS Code makes the view
                    times[name].append(taken)
    print_by_turns(f"the view with {sessions:,} sessions", times["many"], times["few"])


def print_search(bench: Bench, rounds: int, notes: int) -> None:
    """Print how long a key and its results take with many notes, and with 100."""
    many, few = bench.person("many notes"), bench.person("few notes")
    fill(many.database, max(1, notes // 100), 100)
    fill(few.database, 1, min(100, notes))
    keys: dict[str, list[float]] = {"many": [], "few": []}
    results: dict[str, list[float]] = {"many": [], "few": []}
    for person in (many, few):
        person.does("search", "anything")  # the index is brought up to date once
    with (
        bench.window("ours", many, "billing") as window,
        bench.window("ours", few, "billing") as other,
    ):
        for _ in range(rounds):
            for name, one in (("many", window), ("few", other)):
                one.page.bring_to_front()
                one.runs("Tenets: Search Notes and Sessions")
                expect(one.picker).to_contain_text("Search notes and sessions")
                one.page.evaluate(KEYS)
                one.page.keyboard.type("some words of 7", delay=80)
                expect(one.picker.locator(".monaco-list-row").first).to_be_visible()
                keys[name] += one.page.evaluate("window.keys")
                results[name] += one.page.evaluate("window.results")
                one.page.keyboard.press("Escape")
                expect(one.picker).to_be_hidden()
    print_by_turns(f"a key, with {notes:,} notes", keys["many"], keys["few"])
    for name, found in keys.items():
        print(f"    {name}: the slowest of {len(found)} keys {max(found):.1f} ms")
    print_by_turns("its results", results["many"], results["few"])


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--sessions", type=int, default=10_000)
    options.add_argument("--notes", type=int, default=100_000)
    options.add_argument("--parts", default="activation,switch,view,search")
    options.add_argument("--smoke", action="store_true", help="little of everything, once")
    given = options.parse_args()
    if given.smoke:
        given.rounds, given.sessions, given.notes = 1, 200, 200
    print(environment())
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        os.environ["XDG_RUNTIME_DIR"] = name
        playwright = stack.enter_context(sync_playwright())
        browser = vscode.launched(playwright)
        bench = Bench(Path(name), browser, stack)
        for part in given.parts.split(","):
            if part == "activation":
                print_activation(bench, given.rounds)
            elif part == "switch":
                print_switch(bench, given.rounds * 10)
            elif part == "view":
                print_view(bench, given.rounds * 2, given.sessions)
            elif part == "search":
                print_search(bench, given.rounds, given.notes)
            else:
                options.error(f"unknown part: {part}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
