"""The command itself: what a person in a shell, or in an editor's settings, meets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tenets_session_server
from support.client import Client
from support.modes import both_modes
from support.pipes import DEADLINE

SCRIPT = Path(sys.executable).with_name("tenets-session-server")
COMMANDS = [[sys.executable, "-m", "tenets_session_server"], [str(SCRIPT)]]


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        stdin=subprocess.DEVNULL,
        check=False,
        **options,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=["module", "script"])
def test_version_and_help(command: list[str]) -> None:
    shown = run([*command, "--version"])
    expected = f"tenets-session-server {tenets_session_server.__version__}\n"
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, expected, "")
    shown = run([*command, "--help"])
    assert (shown.returncode, shown.stderr) == (0, "")
    for option in ("--stdio", "--database FILE", "--synchronous {full,normal}", "--log-file FILE"):
        assert option in shown.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=["module", "script"])
@pytest.mark.asyncio
async def test_stdio_is_accepted(command: list[str], database: Path) -> None:
    async with Client.started([*command, "--database", str(database), "--stdio"]) as client:
        assert (await client.initialize())["database"] == str(database)
        assert await client.leave() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "7"], "unrecognized arguments: --port 7"),
        (["--log-level", "loud"], "choose from"),
        (["--synchronous", "off"], "choose from"),
        (["--database"], "expected one argument"),
        (["--data", "x"], "unrecognized arguments"),
        (["restart"], "unknown command restart: there are status, stop, schema"),
        (
            ["--database", "postgresql://user:secret@host/db"],
            "--database: expected a file, got a URL (postgresql://...)",
        ),
        (["--database", "/"], "the database: expected a file (named by --database), / is a folder"),
        (["--log-file", "/nowhere/at/all.log"], "--log-file: "),
    ],
)
def test_usage_errors_exit_with_status_2(arguments: list[str], message: str) -> None:
    shown = run([*COMMANDS[0], *arguments])
    assert (shown.returncode, shown.stdout) == (2, "")
    assert message in shown.stderr
    assert "Traceback" not in shown.stderr
    assert "secret" not in shown.stderr


def test_version_imports_no_heavy_module() -> None:
    program = (
        "import sys\n"
        "from tenets_session_server.cli import server\n"
        "try:\n    server.main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'pygls', 'lsprotocol', 'asyncio', 'apsw', 'msgspec'} & set(sys.modules)))"
    )
    shown = run([sys.executable, "-c", program, "--version"])
    assert shown.stdout.splitlines()[-1] == "[]"


@both_modes
@pytest.mark.asyncio
async def test_the_log_goes_to_a_file(server_command: list[str], tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("before\n")
    options = ["--log-level", "debug", "--log-file", str(log)]
    async with Client.started([*server_command, *options]) as client:
        await client.initialize()
        secret = {"sessionName": "private", "kind": "note", "content": "very private"}
        await client.result("tenets/session.addContext", secret)
        assert "error" in await client.call("tenets/session.get", {"name": 7})
        client.end_input()
        await client.ended()
        assert await client.log() == ""
    written = log.read_text()
    assert written.startswith("before\n")
    assert re.search(r"\d{4}-\d\d-\d\dT[\d:.]+Z DEBUG \[\d+\] \S+: request 2: tenets/", written)
    assert "private" not in written


@both_modes
@pytest.mark.asyncio
async def test_by_default_nothing_below_a_warning_is_logged(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result("tenets/session.create", {"name": "a"})
        assert await client.leave() == 0
        assert await client.log() == ""


@both_modes
@pytest.mark.asyncio
@pytest.mark.parametrize("setting", ["full", "normal"])
async def test_synchronous_is_accepted(server_command: list[str], setting: str) -> None:
    async with Client.started([*server_command, "--synchronous", setting]) as client:
        assert (await client.initialize())["warnings"] == []
        assert (await client.result("tenets/session.create", {"name": "a"}))["name"] == "a"


@pytest.mark.asyncio
async def test_without_database_the_environment_decides(tmp_path: Path) -> None:
    env = {**os.environ, "TENETS_CACHE_DIRECTORY": str(tmp_path / "named"), "HOME": str(tmp_path)}
    async with Client.started(COMMANDS[0], env=env) as client:
        database = (await client.initialize())["database"]
        assert database == str(tmp_path / "named" / "tenets.db")
        await client.result("tenets/session.create", {"name": "a"})
    assert Path(database).exists()


@both_modes
@pytest.mark.asyncio
async def test_in_a_terminal_it_says_what_it_waits_for(server_command: list[str]) -> None:
    main, terminal = os.openpty()
    try:
        async with Client.started(server_command, stdin=terminal) as client:
            os.write(main, b"\x04")  # Ctrl-D
            assert await client.ended() == 1
            assert "waiting for an editor's messages" in await client.log()
    finally:
        os.close(main)
        os.close(terminal)


@both_modes
@pytest.mark.asyncio
async def test_folders_in_the_working_directory_do_not_shadow_modules(
    server_command: list[str], tmp_path: Path
) -> None:
    for name in ("server", "pygls", "msgspec"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    command = [str(SCRIPT), *server_command[3:]]
    async with Client.started(command, cwd=tmp_path) as client:
        assert (await client.initialize())["warnings"] == []
