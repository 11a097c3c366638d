"""The verb that looks whether something is wrong, and says what to do about it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tenets_session_server import __version__, locations
from tenets_session_server.cli.invocation import Invocation, json_option, storage_errors, with_run
from tenets_session_server.cli.output import progress
from tenets_session_server.client import text

if TYPE_CHECKING:
    from tenets_session_server.storage.findings import Finding

PROGRAM_TIMEOUT: Final = 20.0
"""Seconds within which another program has to say its version."""
LARGE: Final = 32 * 1024 * 1024
"""Bytes of a database that takes so long to check that it is shown how far it is."""
_ASK_PYTHON: Final = (
    "import importlib.metadata, sqlite3;"
    " print(importlib.metadata.version('tenets'), sqlite3.sqlite_version)"
)
_MARKS: Final = {"ok": ("ok", "faint"), "note": ("note", "id"), "problem": ("PROBLEM", "match")}


@click.command("doctor", short_help="Look whether something is wrong.")
@click.option("--fix", is_flag=True, help="Do what is safe about it.")
@json_option
@with_run
def doctor_command(run: Invocation, fix: bool) -> int:
    """Look whether something is wrong, and say what it means and what to do.

    It looks at the database, its backups, its place, the daemon, and other installations. It
    changes nothing without --fix. Exit status 1 where something needs doing.

    \b
    tenets-session doctor
    tenets-session doctor --fix
    """
    found: list[Finding] = []
    with storage_errors():
        for finding in _findings(run):
            if fix and finding.fix is not None:
                _fix(finding)
            found.append(finding)
            if not run.out.as_json:
                _print(run, finding)
    problems = sum(one.status == "problem" and one.fixed is None for one in found)
    if run.out.as_json:
        run.out.json({"problems": problems, "findings": [one.plain() for one in found]})
    elif run.out.is_terminal:
        what = f"{text.count(problems, 'problem')}." if problems else "Nothing needs doing."
        run.out.line(f"\n{what}")
    return 1 if problems else 0


def _findings(run: Invocation) -> Iterator[Finding]:
    from tenets_session_server.daemon import checkup as daemons  # noqa: PLC0415 - 80 ms
    from tenets_session_server.storage.sqlite.checkup import Checkup  # noqa: PLC0415

    named = run.reason == locations.BY_OPTION
    with _bar() as advance:
        checkup = Checkup(Path(run.database), run.reason, named=named, progress=advance)
        found = list(checkup.run())
    yield from found
    yield from daemons.check(run.database)
    yield _command()
    yield _public_package()


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show how much of a large database is checked."""
    with ExitStack() as stack:
        shown: list[Callable[[int, int], None]] = []

        def advance(done: int, size: int) -> None:
            if size >= LARGE and not shown:
                shown.append(stack.enter_context(progress("Checking", size)))
            for show in shown:
                show(done, size)

        yield advance


def _fix(finding: Finding) -> None:
    assert finding.fix is not None  # noqa: S101 - the caller has looked
    try:
        finding.fixed = finding.fix()
    except Exception as error:  # noqa: BLE001 - the others are still to be told
        finding.says += f"; to fix it was not possible: {error}"


def _command() -> Finding:
    """Look which ``tenets-session-server`` an editor would start."""
    from tenets_session_server.storage.findings import Finding  # noqa: PLC0415

    name = "tenets-session-server"
    found = shutil.which(name)
    if found is None:
        folder = Path(sys.executable).parent
        return Finding(
            "command",
            "note",
            f"{name} is not on PATH: an editor finds it by its full path only",
            f"add {folder} to PATH, or name {folder / name} in the editor's settings",
        )
    said = _said([found, "--version"])
    if said.split()[-1:] != [__version__]:
        says = (
            f"{found} is version {said.split()[-1] if said else 'unknown'}, this is {__version__}"
        )
        return Finding("command", "note", says, "update the older one")
    return Finding("command", "ok", f"{found}, version {__version__}")


def _public_package() -> Finding:
    """Look which ``tenets`` there is, and whether its SQLite is safe beside ours."""
    from tenets_session_server.storage.findings import Finding  # noqa: PLC0415
    from tenets_session_server.storage.sqlite import connection_setup  # noqa: PLC0415 - 40 ms

    found = shutil.which("tenets")
    if found is None:
        return Finding("tenets", "ok", "the tenets package is not on PATH")
    said = _said([*_interpreter(found), "-c", _ASK_PYTHON]).split()
    if len(said) != 2:
        return Finding("tenets", "note", f"{found}: its version cannot be found out")
    version, sqlite = said
    says = f"{found}, version {version}, with SQLite {sqlite}"
    if connection_setup.engine_warning(sqlite) is not None:
        return Finding(
            "tenets",
            "note",
            f"{says}, which may lose what was committed if it writes while editors do",
            "run it in a newer Python, whose SQLite is 3.51.3 or newer",
        )
    return Finding("tenets", "ok", says)


def _interpreter(script: str) -> list[str]:
    """Return the command of the Python that runs a script, from its first line."""
    try:
        with open(script, "rb") as file:  # noqa: PTH123
            first = file.readline(4096)
    except OSError:
        return [sys.executable]
    if not first.startswith(b"#!"):
        return [sys.executable]
    return os.fsdecode(first[2:]).split()


def _said(command: list[str]) -> str:
    """Return what a program prints; nothing if it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - what is on PATH, to learn its version
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROGRAM_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def _print(run: Invocation, finding: Finding) -> None:
    out = run.out
    if not out.is_terminal:
        todo = finding.fixed or finding.todo or ""
        out.line("\t".join(map(text.line, (finding.status, finding.name, finding.says, todo))))
        return
    word, style = _MARKS[finding.status]
    out.line(f"{out.styled(f'{word:8}', style)} {finding.name}: {text.line(finding.says)}")
    if finding.fixed is not None:
        out.line(f"{'':8} fixed: {text.line(finding.fixed)}")
    elif finding.todo is not None:
        out.line(f"{'':8} {out.styled(text.line(finding.todo), 'hint')}")
