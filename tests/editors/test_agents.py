"""Programs of others speak MCP with us: Claude Code, Codex and the MCP inspector."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from support import shared
from support.people import COMMAND, Person, PersonWithoutOptions

pytestmark = pytest.mark.editors

PATIENCE = 180.0
"""Seconds; these programs are large, and start others."""
TOOLS = {"session_context", "session_note", "session_search", "session_list"}


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """Somebody with a session."""
    found = PersonWithoutOptions(tmp_path / "app")
    found.does("create", "fix login", "--switch")
    yield found
    shared.stop(found.database)


def program(pattern: str) -> str:
    """Return a program of ``.ci/agents``."""
    folder = os.environ.get("TENETS_TEST_AGENTS")
    if folder is None:
        pytest.fail("TENETS_TEST_AGENTS is not set: run .ci/agents FOLDER, and name it")
    (found,) = Path(folder, "node_modules").glob(pattern)
    return str(found)


def inspected(person: Person, *arguments: str) -> Any:
    """Return the result of a request of the inspector."""
    command = [program(".bin/mcp-inspector"), "--cli", str(COMMAND), "mcp", *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        check=True,
        timeout=PATIENCE,
        cwd=person.folder,
        env=person.environment,
    )
    return json.loads(done.stdout)


def test_the_inspector(person: Person) -> None:
    tools = inspected(person, "--method", "tools/list")["tools"]
    assert {tool["name"] for tool in tools} == TOOLS
    call = ("--method", "tools/call", "--tool-name")
    inspected(person, *call, "session_note", "--tool-arg", "content=by the inspector")
    (entry,) = person.gets("show")["entries"]
    assert entry["content"] == "by the inspector"
    assert entry["author"].startswith("inspector")
    found = inspected(person, *call, "session_context")
    assert found["structuredContent"]["entries"][0]["content"] == "by the inspector"
    read = inspected(person, "--method", "resources/read", "--uri", "tenets://sessions/current")
    assert "> by the inspector" in read["contents"][0]["text"]
    prompts = inspected(person, "--method", "prompts/list")["prompts"]
    assert [one["name"] for one in prompts] == ["handoff", "resume"]


def test_claude_code_connects(person: Person) -> None:
    claude = program("@anthropic-ai/claude-code-*/claude")
    person.does("connect", "claude")
    done = subprocess.run(
        [claude, "mcp", "list"],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
        cwd=person.folder,
        env=person.environment,
    )
    assert re.search(rf"tenets-session: {COMMAND} mcp - .*Connected", done.stdout), done.stdout


def test_codex_lists_the_tools(person: Person) -> None:
    person.does("connect", "codex")
    requests = [
        {
            "id": 1,
            "method": "initialize",
            "params": {"clientInfo": {"name": "test", "version": "1"}},
        },
        {"method": "initialized"},
        {"id": 2, "method": "mcpServerStatus/list", "params": {}},
    ]
    with subprocess.Popen(
        [program(".bin/codex"), "app-server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=person.folder,
        env=person.environment,
    ) as codex:
        assert codex.stdin is not None
        assert codex.stdout is not None
        for request in requests:
            print(json.dumps(request), file=codex.stdin, flush=True)
        replies = (json.loads(line) for line in codex.stdout)
        (server,) = next(one for one in replies if one.get("id") == 2)["result"]["data"]
        codex.stdin.close()
        codex.wait(PATIENCE)
    assert server["name"] == "tenets-session"
    assert set(server["tools"]) == TOOLS


def test_what_hooks_print_fits_the_schemas_of_codex(person: Person) -> None:
    # Codex has them in its program, as JSON among other things.
    (binary,) = Path(os.environ["TENETS_TEST_AGENTS"], "node_modules").glob(
        "@openai/codex-*/vendor/*/bin/codex"
    )
    data = binary.read_bytes()
    for event, title in (
        ("SessionStart", "session-start.command.output"),
        ("UserPromptSubmit", "user-prompt-submit.command.output"),
    ):
        schema = embedded(data, title)
        given = json.dumps({"hook_event_name": event, "session_id": event})
        output = json.loads(person.does("hook", "codex", given=given))
        jsonschema.validate(output, schema)


def embedded(data: bytes, title: str) -> Any:
    """Return the JSON Schema of a title that is somewhere in a program."""
    found = data.index(f'"title": "{title}"'.encode())
    begin = data.rindex(b'{\n  "$schema"', 0, found)
    schema, _ = json.JSONDecoder().raw_decode(
        data[begin : found + 10_000].decode("utf-8", "replace")
    )
    return schema
