"""The configurations of coding agents: connected, and taken out again."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.people import COMMAND, Person, PersonWithoutOptions, on_terminal
from support.pipes import DEADLINE
from tenets_session_server.agents import json_text

SERVER = {"command": str(COMMAND), "args": ["mcp"]}
HOOK = {"type": "command", "command": f"{COMMAND} hook "}


@pytest.fixture
def user(tmp_path: Path) -> Person:
    """Somebody with the default database."""
    return PersonWithoutOptions(tmp_path / "app")


def hooks(agent: str, *events: str) -> dict[str, Any]:
    command = {"type": "command", "command": f"{COMMAND} hook {agent}"}
    return {event: [{"hooks": [command]}] for event in events}


FILES: dict[str, dict[str, dict[str, Any]]] = {
    "claude": {
        ".claude.json": {"mcpServers": {"tenets-session": {"type": "stdio", **SERVER}}},
        ".claude/settings.json": {"hooks": hooks("claude", "SessionStart", "UserPromptSubmit")},
    },
    "codex": {
        ".codex/config.toml": {"mcp_servers": {"tenets-session": SERVER}},
        ".codex/hooks.json": {"hooks": hooks("codex", "SessionStart", "UserPromptSubmit")},
    },
    "gemini": {
        ".gemini/settings.json": {
            "mcpServers": {"tenets-session": SERVER},
            "hooks": hooks("gemini", "SessionStart", "BeforeAgent"),
        },
    },
    "cursor": {
        ".cursor/mcp.json": {"mcpServers": {"tenets-session": SERVER}},
        ".cursor/hooks.json": {
            "version": 1,
            "hooks": {
                event: [{"command": f"{COMMAND} hook cursor"}]
                for event in ("sessionStart", "beforeSubmitPrompt")
            },
        },
    },
    "vscode": {
        ".config/Code/User/mcp.json": {"servers": {"tenets-session": {"type": "stdio", **SERVER}}},
    },
    "opencode": {
        ".config/opencode/opencode.json": {
            "mcp": {
                "tenets-session": {
                    "type": "local",
                    "command": [str(COMMAND), "mcp"],
                    "enabled": True,
                }
            }
        },
    },
}
PROJECT = {
    "claude": [".mcp.json", ".claude/settings.json"],
    "codex": [".codex/config.toml", ".codex/hooks.json"],
    "gemini": [".gemini/settings.json"],
    "cursor": [".cursor/mcp.json", ".cursor/hooks.json"],
    "vscode": [".vscode/mcp.json"],
    "opencode": ["opencode.json"],
}


def content(file: Path) -> Any:
    text = file.read_text()
    return tomllib.loads(text) if file.suffix == ".toml" else json_text.load(text)


def files(folder: Path) -> dict[str, bytes]:
    found = (one for one in folder.rglob("*") if one.is_file())
    return {str(one.relative_to(folder)): one.read_bytes() for one in found}


@pytest.mark.parametrize("agent", FILES)
def test_an_agent_is_connected_and_disconnected(user: Person, agent: str) -> None:
    said = user.does("connect", agent)
    written = {name: content(user.home / name) for name in files(user.home)}
    assert written == FILES[agent]
    assert said == "".join(f"Wrote {user.home / name}.\n" for name in FILES[agent])
    assert user.does("connect", agent) == "Nothing to change.\n"
    user.does("disconnect", agent)
    assert files(user.home) == {}
    assert user.does("disconnect", agent) == "Nothing to change.\n"


@pytest.mark.parametrize("agent", PROJECT)
def test_a_projects_files_name_no_path_of_this_machine(user: Person, agent: str) -> None:
    printed = user.does("connect", agent, "--scope", "project", "--dry-run")
    assert files(user.folder) == {}
    user.does("connect", agent, "--scope", "project")
    assert sorted(files(user.folder)) == sorted(PROJECT[agent])
    for name, data in files(user.folder).items():
        assert str(COMMAND) not in data.decode()
        assert f"{user.folder / name}:" in printed
        assert all(f"+{line}\n" in printed for line in data.decode().splitlines())
    assert files(user.home) == {}
    user.does("disconnect", agent, "--scope", "project")
    assert files(user.folder) == {}


@pytest.mark.parametrize("agent", PROJECT)
def test_a_projects_files_name_no_database(user: Person, tmp_path: Path, agent: str) -> None:
    user.environment["TENETS_CACHE_DIRECTORY"] = str(tmp_path / "private")
    user.does("connect", agent, "--scope", "project")
    assert all(b"private" not in one for one in files(user.folder).values())
    before = files(user.folder)
    named = ("--database", str(tmp_path / "private.db"), "connect", agent, "--scope", "project")
    status, sentence = user.fails(*named)
    assert status == 2
    assert "leave it out, or use --scope user" in sentence
    assert files(user.folder) == before


JSON_BEFORE = {
    "comments and tabs": '// mine\n{\n\t"mcpServers": {\n\t\t"a": {"command": "x"} // first\n\t},'
    "\n}\n",
    "windows": '{\r\n  "mcpServers": {\r\n    "a": {"command": "x"}\r\n  }\r\n}\r\n',
    "one line": '{"theme": "dark", "mcpServers": {"a": {"command": "x"}}}',
    "a mark at its beginning": '\ufeff{\n  "theme": "dark"\n}\n',
    "others' hooks": '{\n    "hooks": {\n        "SessionStart": [\n            {"hooks": [{"type":'
    ' "command", "command": "mine"}]}\n        ],\n        "Stop": []\n    }\n}',
    "strings that look like syntax": '{\n  "a": "}, // ] /* \\" , }",\n  "b": [1, "]"]\n}',
}


@pytest.mark.parametrize("before", JSON_BEFORE.values(), ids=JSON_BEFORE)
@pytest.mark.parametrize("agent", ["claude", "gemini", "cursor", "vscode", "opencode"])
def test_the_rest_of_a_file_stays_as_it_is(user: Person, agent: str, before: str) -> None:
    for name in FILES[agent]:
        file = user.home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(before.encode())
        file.chmod(0o640)
    user.does("connect", agent)
    for name, added in FILES[agent].items():
        after = content(user.home / name)
        for member, value in json_text.load(before).items():
            if not isinstance(value, dict):
                assert after[member] == value
            else:
                assert value.items() <= after[member].items() or member == "hooks"
        for member, value in added.items():
            assert (
                after[member] == value
                or value.items() <= after[member].items()
                or (
                    all(
                        one in after[member][event] for event, all_ in value.items() for one in all_
                    )
                )
            )
        assert (user.home / name).stat().st_mode & 0o777 == 0o640
        now = (user.home / name).read_bytes().decode().replace(",", "")
        lines = before.replace(",", "").splitlines()
        assert len(lines) == 1 or [line for line in lines if line not in now] == []
    user.does("disconnect", agent)
    for name in FILES[agent]:
        after = (user.home / name).read_bytes().decode()
        if name == ".cursor/hooks.json":  # Cursor wants a version, which stays
            plain = json_text.remove(after.replace("\r\n", "\n"), ["version"])
            after = plain.replace("\n", "\r\n") if "\r\n" in before else plain
        assert after == before


@pytest.mark.parametrize(
    "before",
    [
        '{\n  // "env": {\n}\n',
        '{\n  "a": 1 /* x */ } /* y */\n',
        '{\n  "mcpServers": {\n    // "github": {}\n  }\n}\n',
        "{}\n",
        '{\r\n  "a": 1,\n  "b": 2\r\n}\r\n',
    ],
)
def test_comments_are_no_brackets(user: Person, before: str) -> None:
    file = user.home / ".claude.json"
    file.write_bytes(before.encode())
    assert user.does("disconnect", "claude") == "Nothing to change.\n"
    user.does("connect", "claude")
    assert content(file)["mcpServers"]["tenets-session"]["command"] == str(COMMAND)
    user.does("disconnect", "claude")
    after = file.read_bytes().decode() if file.exists() else "{}\n"
    assert json_text.load(after) == json_text.load(before)
    assert all(line.strip() in after for line in before.splitlines() if "//" in line)


def test_the_users_hooks_in_one_group_with_ours_stay(user: Person) -> None:
    file = user.home / ".claude" / "settings.json"
    file.parent.mkdir()
    mine = {"type": "command", "command": "my-own-hook"}
    old = {"type": "command", "command": "/old/tenets-session hook claude"}
    given = {"hooks": {"SessionStart": [{"matcher": "startup", "hooks": [old, mine]}]}}
    file.write_text(json.dumps(given))
    user.does("connect", "claude")
    (group,) = content(file)["hooks"]["SessionStart"]
    new = {"type": "command", "command": f"{COMMAND} hook claude"}
    assert group == {"matcher": "startup", "hooks": [new, mine]}
    user.does("disconnect", "claude")
    assert content(file) == {"hooks": {"SessionStart": [{"matcher": "startup", "hooks": [mine]}]}}


def claude_settings(user: Person, *groups: Any) -> Path:
    """Write hooks of SessionStart; return the file."""
    file = user.home / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"hooks": {"SessionStart": groups}}, indent=2))
    return file


def commands(file: Path) -> list[list[str]]:
    """Return the commands of SessionStart, by groups."""
    groups = content(file).get("hooks", {}).get("SessionStart", [])
    return [[one["command"] for one in group["hooks"]] for group in groups]


MINE = "my-own-hook"
OURS = f"{COMMAND} hook claude"
OLD = "/old/tenets-session hook claude"


@pytest.mark.parametrize(
    ("before", "connected", "disconnected"),
    [
        ([[OLD, OLD], [MINE]], [[OURS], [MINE]], [[MINE]]),
        ([[MINE], [OLD, OLD], [MINE, "b"]], [[MINE], [OURS], [MINE, "b"]], [[MINE], [MINE, "b"]]),
        ([[OLD, MINE, OLD], [OLD], [MINE]], [[OURS, MINE], [MINE]], [[MINE], [MINE]]),
        ([[OLD], [OLD], [OLD, OLD], [MINE]], [[OURS], [MINE]], [[MINE]]),
        ([[MINE, OLD], [OLD, MINE]], [[MINE, OURS], [MINE]], [[MINE], [MINE]]),
    ],
)
def test_several_hooks_of_ours_become_one(
    user: Person,
    before: list[list[str]],
    connected: list[list[str]],
    disconnected: list[list[str]],
) -> None:
    groups = [{"hooks": [{"type": "command", "command": one} for one in all_]} for all_ in before]
    file = claude_settings(user, *groups)
    given = file.read_text()
    user.does("disconnect", "claude")
    assert commands(file) == disconnected
    file.write_text(given)
    user.does("connect", "claude")
    assert commands(file) == connected
    user.does("disconnect", "claude")
    assert commands(file) == disconnected


@pytest.mark.parametrize(
    "theirs",
    [
        "/home/me/tenets-session-tools/mine hook claude",
        "/home/me/tenets-session/mine hook claude",
        "my-tenets-session hook claude",
        "echo tenets-session hook claude",
        "tenets-session status && mine hook claude",
        "tenets-session hook claude; my-own-hook",
        "my-own-hook; tenets-session hook claude",
        "tenets-session hook claude | my-own-hook",
        "tenets-session hook claude > /tmp/mine",
        "tenets-session hook codex",
        "tenets-session note hook claude",
        "tenets-session 'hook claude",
    ],
)
def test_a_hook_that_only_looks_like_ours_is_the_users(user: Person, theirs: str) -> None:
    file = claude_settings(user, {"hooks": [{"type": "command", "command": theirs}]})
    before = file.read_text()
    user.does("connect", "claude")
    assert commands(file) == [[theirs], [OURS]]
    user.does("disconnect", "claude")
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("tenets-session hook claude || true", f"{OURS} || true"),
        ("/old/tenets-session hook claude 2>/dev/null; exit 0", f"{OURS} 2>/dev/null; exit 0"),
        ("A=b tenets-session hook claude", f"A=b {OURS}"),
        ("'/an old place/tenets-session' --no-pager 'hook' 'claude'", OURS),
        ("tenets-session --database='/a;b' hook claude", OURS),
        ("tenets-session -C /a --database '/a b' hook claude 2>&1", f"{OURS} 2>&1"),
        ("'C:\\old\\tenets-session.EXE' hook claude", OURS),
    ],
)
def test_a_hook_of_ours_is_known_however_it_is_written(
    user: Person, before: str, after: str
) -> None:
    file = claude_settings(user, {"hooks": [{"type": "command", "command": before}]})
    user.does("connect", "claude")
    assert commands(file) == [[after]]
    assert user.does("connect", "claude") == "Nothing to change.\n"
    user.does("disconnect", "claude")
    assert files(user.home) == {}


def test_what_the_user_has_added_behind_our_hook_stays(user: Person) -> None:
    user.does("connect", "claude")
    file = user.home / ".claude" / "settings.json"
    file.write_text(file.read_text().replace("hook claude", "hook claude || true"))
    assert user.does("connect", "claude") == "Nothing to change.\n"
    user.does("disconnect", "claude")
    assert files(user.home) == {}


def test_of_members_with_the_same_name_the_last_one_is_edited(user: Person) -> None:
    file = user.home / ".claude.json"
    file.write_text('{"mcpServers": {"a": {}}, "mcpServers": {"b": {}}}')
    user.does("connect", "claude")
    assert content(file)["mcpServers"].keys() == {"b", "tenets-session"}
    user.does("disconnect", "claude")
    assert file.read_text() == '{"mcpServers": {"a": {}}, "mcpServers": {"b": {}}}'


def test_of_members_with_the_same_name_none_keeps_our_server(user: Person) -> None:
    file = user.home / ".claude.json"
    ours = '{"tenets-session": {"command": "tenets-session", "args": ["mcp"]}}'
    file.write_text(f'{{"mcpServers": {ours}, "a": 1, "mcpServers": {ours}}}')
    user.does("disconnect", "claude")
    assert content(file) == {"a": 1}


def test_comments_in_our_server_stay(user: Person) -> None:
    file = user.home / ".claude.json"
    text = """{
  "mcpServers": {
    "tenets-session": {
      // why it is here
      "type": "stdio",
      "command": "/old/tenets-session", // its program
      "args": ["mcp"],
      /* mine */
      "env": {"A": "b"} // for me
    }
  }
}
"""
    file.write_text(text)
    user.does("connect", "claude")
    assert file.read_text() == text.replace("/old/tenets-session", str(COMMAND))
    assert user.does("connect", "claude") == "Nothing to change.\n"


def test_claude_code_may_have_its_files_elsewhere(user: Person, tmp_path: Path) -> None:
    user.environment["CLAUDE_CONFIG_DIR"] = str(tmp_path / "elsewhere")
    user.does("connect", "claude")
    assert sorted(files(tmp_path / "elsewhere")) == [".claude.json", "settings.json"]
    assert files(user.home) == {}
    user.does("disconnect", "claude")
    assert files(tmp_path / "elsewhere") == {}


def test_what_the_user_has_added_to_our_server_stays(user: Person) -> None:
    file = user.home / ".claude.json"
    more = {"env": {"A": "b"}, "disabled": True}
    old = {"command": "/old/tenets-session", "args": ["mcp"], **more}
    file.write_text(json.dumps({"mcpServers": {"tenets-session": old}}))
    user.does("connect", "claude")
    assert content(file)["mcpServers"]["tenets-session"] == {"type": "stdio", **SERVER, **more}


@pytest.mark.parametrize(
    "before",
    [
        'mcp_servers = { other = { command = "y" } }\n',
        'mcp_servers.tenets-session.command = "z"\n',
        "mcp_servers = []\n",
        "mcp_servers = [[\n",
    ],
)
def test_toml_that_is_written_in_another_way_stays(user: Person, before: str) -> None:
    file = user.home / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text(before)
    status, sentence = user.fails("connect", "codex")
    assert status == 1
    assert sentence.startswith(f"{file}: ")
    assert files(user.home) == {".codex/config.toml": before.encode()}


def test_what_the_user_has_added_to_our_toml_table_stays(user: Person) -> None:
    file = user.home / ".codex" / "config.toml"
    file.parent.mkdir()
    user.does("connect", "codex")
    added = "startup_timeout_sec = 20  # slow\nenv = { A = 'b' }\n"
    text = file.read_text() + added
    file.write_text(text)
    assert user.does("connect", "codex") == "Nothing to change.\n"
    file.write_text(
        text.replace(str(COMMAND.parent), "/old place").replace('["mcp"]', '[ "x" ] # y')
    )
    user.does("connect", "codex")
    assert file.read_text() == text.replace('["mcp"]', '["mcp"] # y')
    file.write_text("[mcp_servers.tenets-session]\n" + added)
    user.does("connect", "codex")
    assert content(file)["mcp_servers"]["tenets-session"] == {
        **SERVER,
        "startup_timeout_sec": 20,
        "env": {"A": "b"},
    }
    old = f'[mcp_servers.tenets-session]\ncommand = """/old\n"""\nargs = []\n{added}'
    file.write_text(old)
    status, sentence = user.fails("connect", "codex")
    assert status == 1
    assert sentence.endswith(" by hand")
    assert file.read_text() == old


@pytest.mark.parametrize(
    "before",
    [
        '[mcp_servers.tenets-session]\n# mine\ncommand = "/old" # why\nargs = ["mcp"]\n\n[tui]\n',
        "[mcp_servers.tenets-session]\ncommand = '/old'\nargs = [\n  'mcp', # so\n]\na = 1\n",
        '[mcp_servers."tenets-session"]\ncommand = "/old"\nargs = ["mcp"]\n\nenabled = true\n',
        '[mcp_servers.tenets-session]\ncommand = "/old"\nargs = ["mcp"]\n[tui]\nx = nan\n',
    ],
)
def test_our_toml_table_is_edited_where_it_is(user: Person, before: str) -> None:
    file = user.home / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text(before)
    user.does("connect", "codex")
    after = before.replace("'/old'", '"/old"').replace("/old", str(COMMAND))
    assert file.read_text() == after
    assert user.does("connect", "codex") == "Nothing to change.\n"
    user.does("disconnect", "codex")
    assert not file.exists() or "tenets-session" not in file.read_text()


TOML_BEFORE = (
    '# mine\nmodel = "x"  # fast\n\n[mcp_servers.other]\ncommand = "y"\n',
    'model = "x"\n',
    '[mcp_servers]\n[mcp_servers."a b"]\ncommand = "y"\n\n[tui]\n# last\n',
)


@pytest.mark.parametrize("before", TOML_BEFORE)
def test_the_rest_of_a_toml_file_stays_as_it_is(user: Person, before: str) -> None:
    file = user.home / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text(before)
    user.does("connect", "codex")
    after = content(file)
    assert after["mcp_servers"].pop("tenets-session") == SERVER
    expected = tomllib.loads(before)
    assert after == {"mcp_servers": {}, **expected}
    assert all(line in file.read_text() for line in before.splitlines())
    user.does("disconnect", "codex")
    assert file.read_text() == before


@pytest.mark.parametrize("broken", ["{", "[]", '"text"', '{"mcpServers": 5}', '{"mcpServers": []}'])
def test_a_file_that_is_broken_stays_as_it_is(user: Person, broken: str) -> None:
    file = user.home / ".claude.json"
    file.write_text(broken)
    status, sentence = user.fails("connect", "claude")
    assert status == 1
    assert sentence.startswith(f"{file}: ")
    assert sentence.endswith("; mend it first")
    assert files(user.home) == {".claude.json": broken.encode()}


def test_what_was_connected_before_is_replaced(user: Person) -> None:
    user.does("connect", "claude", "--allow-switch")
    servers = user.home / ".claude.json"
    settings_file = user.home / ".claude" / "settings.json"
    args = content(servers)["mcpServers"]["tenets-session"]["args"]
    assert args == ["mcp", "--allow-switch"]
    # The program was elsewhere.
    settings_file.write_text(settings_file.read_text().replace(str(COMMAND.parent), "/old-place"))
    user.does("connect", "claude")
    assert {name: content(user.home / name) for name in files(user.home)} == FILES["claude"]


def test_a_database_that_is_named_is_written_down(alone: Person) -> None:
    alone.does("connect", "claude")
    server = content(alone.home / ".claude.json")["mcpServers"]["tenets-session"]
    assert server["args"] == ["--database", str(alone.database), "mcp"]
    hook = content(alone.home / ".claude" / "settings.json")["hooks"]["SessionStart"][0]
    assert f"--database {alone.database} hook claude" in hook["hooks"][0]["command"]


def test_the_program_is_found_however_it_was_called(user: Person) -> None:
    user.environment["PATH"] = "/usr/bin:/bin"
    subprocess.run(
        [os.path.relpath(COMMAND), "-C", str(user.folder), "connect", "vscode"],
        env=user.environment,
        check=True,
        timeout=DEADLINE,
    )
    file = user.home / ".config" / "Code" / "User" / "mcp.json"
    assert content(file)["servers"]["tenets-session"]["command"] == str(COMMAND)


def test_an_extra_that_is_missing_is_told(user: Person, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util; find = util.find_spec;"
        " util.find_spec = lambda name, *more: None if name == 'mcp' else find(name, *more)"
    )
    user.environment["PYTHONPATH"] = str(tmp_path)
    with on_terminal(user, "connect", "claude", columns=200) as terminal:
        terminal.expect("cannot start our MCP server: mcp is not installed; install ")


def test_a_linked_file_stays_a_link(user: Person) -> None:
    real = user.folder / "claude.json"
    real.write_text("{}\n")
    (user.home / ".claude.json").symlink_to(real)
    user.does("connect", "claude")
    assert (user.home / ".claude.json").is_symlink()
    assert "tenets-session" in real.read_text()


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    before=st.dictionaries(NAMES, VALUES, max_size=5),
    indent=st.sampled_from([None, 1, 2, "\t"]),
    value=VALUES,
    name=NAMES,
)
def test_any_json_is_edited_and_restored(
    before: dict[str, Any], indent: int | str | None, value: Any, name: str
) -> None:
    text = json.dumps(before, indent=indent, ensure_ascii=False)
    path = ["a place", name]
    if "a place" in before:
        return
    edited = json_text.set_value(text, path, value)
    assert json_text.load(edited) == {**before, "a place": {name: value}}
    assert json_text.set_value(edited, path, value) == edited
    longer = json_text.append(edited, ["list"], value) if "list" not in before else edited
    if longer != edited:
        assert json_text.load(longer)["list"] == [value]
        assert json_text.remove(longer, ["list", 0]) == edited
    assert json_text.remove(edited, path) == text
