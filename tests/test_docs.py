"""What the documentation says is what the program does."""

from __future__ import annotations

import argparse
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

import watch
from docs import exchanges, reference, schema
from support import shared
from support.client import Client
from support.people import Person
from support.processes import output
from tenets_session_server import __version__
from tenets_session_server.cli import app as people
from tenets_session_server.cli import options
from tenets_session_server.methods.changes import DID_CHANGE
from tenets_session_server.methods.table import METHODS
from tenets_session_server.models.changes import ChangeBatch
from tenets_session_server.rpc import lifecycle
from tenets_session_server.wire.messages import OutgoingNotification

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CHANGELOG = ROOT / "CHANGELOG.md"
PROTOCOL = ROOT / "server" / "PROTOCOL.md"
ARCHITECTURE = ROOT / "server" / "ARCHITECTURE.md"
DOCUMENTS = [
    README,
    CHANGELOG,
    PROTOCOL,
    ARCHITECTURE,
    ROOT / "server" / "COMMANDS.md",
    *sorted(ROOT.glob("client_examples/*/README.md")),
]


@pytest.mark.parametrize("document", reference.DOCUMENTS, ids=lambda path: path.name)
def test_the_tables_are_up_to_date(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert reference.renewed(text) == text, "run: python tests/docs/reference.py --write"


@pytest.mark.asyncio
async def test_the_shipped_schema_is_up_to_date() -> None:
    text = schema.FILE.read_text(encoding="utf-8")
    assert text == schema.text(), "run: python tests/docs/reference.py --write"
    assert await output([sys.executable, "-m", "tenets_session_server", "schema"]) == text
    document = json.loads(text)
    assert list(document["requests"]) == [method.name for method in METHODS]


def test_the_reference_has_every_table() -> None:
    keys = reference.keys(PROTOCOL.read_text(encoding="utf-8"))
    with_params = [f"params {method.verb}" for method in METHODS if reference.params_of(method)]
    assert {key for key in keys if key.startswith("params ")} == set(with_params)
    types = {name for method in METHODS for name in reference.struct_names(method.result)}
    assert {f"type {name}" for name in types} <= set(keys)
    assert {"methods", "kinds", "commands", "limits"} <= set(keys)


def test_the_reference_has_an_exchange_of_every_method() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    shown = re.findall(r"<!-- exchange: (\w+) -->", text)
    assert {*shown} == {key for key, _, _ in exchanges.script()} | {"kinds"}
    assert len(shown) == len({*shown})


def test_the_sections_of_the_methods_are_in_the_order_of_the_table() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    sections = re.findall(r"^### (tenets/session\.\w+)$", text, re.MULTILINE)
    assert sections == [*(method.name for method in METHODS), DID_CHANGE]


def test_each_option_of_initialize_is_described() -> None:
    text = PROTOCOL.read_text(encoding="utf-8").partition("### initialize")[2]
    described = re.findall(r"^- `(\w+)`:", text.partition("<!-- table")[0], re.MULTILINE)
    there = {field.encode_name for field in msgspec.structs.fields(lifecycle.Options)}
    assert {*described} == there


def test_the_daemon_answers_as_the_reference_shows() -> None:
    command = tuple(part for part in exchanges.COMMAND if part != "--standalone")
    text = PROTOCOL.read_text(encoding="utf-8")
    assert reference.renewed(text, command) == text


def test_the_notification_of_the_reference_is_one() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    shown = json.loads(example)
    params = msgspec.json.decode(json.dumps(shown["params"]), type=ChangeBatch)
    assert json.loads(msgspec.json.encode(OutgoingNotification(DID_CHANGE, params))) == shown


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not target.startswith("https://"):
            name, _, fragment = target.partition("#")
            file = document.parent / name if name else document
            assert file.exists(), target
            assert not fragment or fragment in anchors(file), target
    for path in re.findall(r"`((?:tests|server|client_examples)/[\w./-]+)", text):
        assert (ROOT / path.rstrip("/")).exists(), path


def anchors(document: Path) -> set[str]:
    """Return the fragments that the headings of a document can be linked to by."""
    text = document.read_text(encoding="utf-8")
    return {anchor(line) for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def anchor(heading: str) -> str:
    """Return the fragment of a heading."""
    return re.sub(r"[^\w -]", "", heading.replace("`", "")).strip().replace(" ", "-").lower()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_that_are_mentioned_exist(document: Path) -> None:
    known = {
        option
        for action in options.parser()._actions
        for option in action.option_strings
        if not isinstance(action, argparse._SubParsersAction)
    }
    text = document.read_text(encoding="utf-8")
    for line in re.findall(r"tenets-session-server (--[^`\n]*)", text):
        assert set(re.findall(r"--[a-z-]+", line)) <= known, line


def test_every_verb_has_examples_of_its_own() -> None:
    context = click.Context(people.verbs)
    for name in people.verbs.list_commands(context):
        verb = people.verbs.get_command(context, name)
        assert verb is not None
        examples = (verb.help or "").partition("\b\n")[2]
        assert re.search(rf"tenets-session( {name}|$)", examples, re.MULTILINE), name
        assert verb.short_help


def command(name: str) -> str:
    """Return a command of the README."""
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"<!-- command: {name} -->\n```\n(.+)\n```", text)
    assert found, name
    return found[1]


def test_the_main_command_runs_the_example_and_the_other_one_the_tests() -> None:
    for name, end in (
        ("main job", "client_examples/python/share_session.py"),
        ("tests", "-m pytest --numprocesses auto"),
    ):
        first, second, third = command(name).split(" && ")
        assert first == "python3 -m venv .venv"
        assert second.startswith(".venv/bin/pip install")
        assert third.startswith(".venv/bin/python ")
        assert third.endswith(end)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where the commands of the README run, with a home folder of its own."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TENETS_CACHE_DIRECTORY", raising=False)
    return tmp_path


@pytest.fixture
def database(checkout: Path) -> Path:
    """The default database."""
    return checkout / "home" / ".tenets" / "cache" / "tenets.db"


@pytest.mark.asyncio
async def test_the_notes_command_of_the_readme_prints_the_notes(
    server_command: list[str], checkout: Path
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("fix login", "The token is refreshed twice.")
        await editor.add_note("review parser", "Too many branches.")
        await editor.add_note("fix login", "So is the cookie.")
        printed = await output(["sh", "-c", command("notes")], cwd=checkout)
    assert printed == "The token is refreshed twice.\nSo is the cookie.\n"


def test_the_capture_of_the_readme_is_what_watch_prints() -> None:
    text = README.read_text(encoding="utf-8")
    capture = re.search(r"<!-- capture -->\n```\n(.*?)```", text, re.DOTALL)
    assert capture
    shown = re.findall(r"\| (.*)$", capture[1].partition("terminal ")[2], re.MULTILINE)
    changes: list[Any] = [
        {
            "revision": 7,
            "type": "deactivated",
            "sessionId": 2,
            "sessionName": "fix login",
            "author": "Neovim",
        },
        {
            "revision": 8,
            "type": "activated",
            "sessionId": 1,
            "sessionName": "review parser",
            "author": "Neovim",
        },
    ]
    assert shown == [
        *map(watch.change_line, changes),
        watch.active_line("review parser"),
    ]


@pytest.mark.parametrize(
    "message",
    [
        "the daemon ended unexpectedly; restart the server",
        "the daemon was stopped; restart the server",
        "now leads to another file; restart the server",
        "serving this editor in direct mode: ",
        "nothing to stop: no daemon serves ",
    ],
)
def test_the_messages_that_the_readme_explains_exist(message: str) -> None:
    assert message in README.read_text(encoding="utf-8")
    sources = (ROOT / "server" / "tenets_session_server").rglob("*.py")
    assert any(message in source.read_text(encoding="utf-8") for source in sources)


@pytest.mark.asyncio
async def test_the_backup_of_the_readme_has_what_was_written(
    server_command: list[str], checkout: Path
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("fix login", "The token is refreshed twice.")
        await output(["sh", "-c", command("backup")], cwd=checkout)
    copy = checkout / "tenets-backup.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    async with Client.opened([*server_command, "--database", str(copy)]) as editor:
        page = await editor.session("list", includeContextCount=True)
        (session,) = page["sessions"]
        assert (session["name"], session["contextCount"]) == ("fix login", 1)
    shared.stop(copy)


def test_the_backup_of_the_readme_fails_without_a_database(checkout: Path) -> None:
    shown = subprocess.run(
        ["sh", "-c", command("backup")], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert shown.returncode != 0
    assert "tenets.db" in shown.stderr
    assert not (checkout / "tenets-backup.db").exists()


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    transfer, session_db = re.findall(r"```python\n(.*?)```", text, re.DOTALL)

    def run(program: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program],
            env={"HOME": str(tmp_path), "TENETS_CACHE_DIRECTORY": str(tmp_path / "cache")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert run(f"{session_db}    print(sessions.get_active_session().name)\n") == "fix login\n"
    assert (tmp_path / "cache" / "tenets.db").exists()
    assert run(f"{transfer}print(other.totals().context_entries)\n") == "1\n"


def test_the_tasks_for_zed_run(tmp_path: Path, database: Path) -> None:
    person = Person(database, tmp_path / "app")
    file = person.folder / "login.py"
    file.write_text("one\ntwo\n")
    person.does("create", "--switch", "billing")
    page = (ROOT / "client_examples" / "README.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## Zed")
    block = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert block
    variables = {"$ZED_FILE": str(file), "$ZED_ROW": "2", "$ZED_SELECTED_TEXT": "-two"}
    for task in json.loads(block[1]):
        assert task["command"] == "tenets-session"
        arguments = task["args"]
        for name, value in variables.items():
            arguments = [one.replace(name, value) for one in arguments]
        person.does(*arguments)
    (entry,) = person.gets("show")["entries"]
    assert (entry["kind"], entry["content"]) == ("code", "-two")
    assert entry["location"]["range"]["start"] == {"line": 1, "character": 0}
    shared.stop(database)


def test_one_version_is_everywhere() -> None:
    examples = ROOT / "client_examples"
    places = {
        examples / "vscode" / "package.json": r'^  "version": "(.+)",$',
        examples / "vscode" / "package-lock.json": r'^  "version": "(.+)",$',
        examples / "vscode" / "CHANGELOG.md": r"^## (\S+)",
        examples / "node" / "package.json": r'^  "version": "(.+)",$',
        examples / "vim" / "plugin" / "tenets.vim": r'^" Version: +(.+)$',
        examples / "emacs" / "tenets.el": r"^;; Version: (.+)$",
        examples / "neovim" / "mason" / "package.yaml": r"pkg:pypi/tenets-session-server@(.+)$",
    }
    found = {
        str(path.relative_to(ROOT)): re.findall(pattern, path.read_text("utf-8"), re.MULTILINE)[:1]
        for path, pattern in places.items()
    }
    assert found == {name: [__version__] for name in found}


def test_the_changelog_knows_this_version() -> None:
    text = CHANGELOG.read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)}\b", text, re.MULTILINE)
