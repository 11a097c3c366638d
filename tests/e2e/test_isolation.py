"""What the first editor hands down to the daemon, and what must not reach it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from support.attaching import is_served_alone, is_shared, stopped_in_the_end
from support.client import Client
from support.messages import INITIALIZE, frame
from support.modes import OPTIONS
from tenets_session_server.daemon.address import FOLDER

pytestmark = pytest.mark.asyncio

SHADOWS = ("logging", "select", "fcntl", "binascii", "socket", "asyncio", "apsw", "msgspec")


@pytest.fixture
def shadows(tmp_path: Path) -> Path:
    """A folder with modules that have the names of others, and leave a mark when imported."""
    folder = tmp_path / "shadows"
    folder.mkdir()
    mark = f"open({str(tmp_path / 'mark')!r}, 'a').write(__name__)\nraise SystemExit(__name__)\n"
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(mark)
    (folder / "pygls").mkdir()
    (folder / "pygls" / "__init__.py").write_text(mark)
    return folder


async def serves(command: list[str], **options: object) -> int:
    async with Client.started(command, **options) as client:
        await client.initialize()
        pid = await client.served_by()
        await client.create(f"by {client.process.pid}")
        assert await client.leave() == 0
        assert await client.log() == ""
    return pid


@pytest.mark.own_daemon
@pytest.mark.parametrize("mode", OPTIONS)
@pytest.mark.parametrize("where", ["PYTHONPATH", "the working directory", "beside the command"])
async def test_modules_of_other_folders_are_not_imported(
    shared_command: list[str], tmp_path: Path, shadows: Path, mode: str, where: str
) -> None:
    command = [*shared_command, *OPTIONS[mode]]
    options: dict[str, Any] = {}
    if where == "PYTHONPATH":
        options = {"env": {**os.environ, "PYTHONPATH": str(shadows)}}
    elif where == "the working directory":
        options = {"cwd": str(shadows)}
    else:
        script = shutil.copy(Path(sys.executable).parent / "tenets-session-server", shadows)
        command = [str(script), *shared_command[3:], *OPTIONS[mode]]
    first = await serves(command, **options)
    assert not (tmp_path / "mark").exists()
    if mode == "shared":
        assert await serves(shared_command) == first  # the daemon is the same for all


@pytest.mark.own_daemon
async def test_a_package_that_only_pythonpath_has_is_served_by_a_daemon(
    runtime: Path, database: Path
) -> None:
    packages = os.pathsep.join(path for path in sys.path if path.endswith(("-packages", "server")))
    bare = [sys._base_executable, "-c"]  # type: ignore[attr-defined]
    program = "import sys; from tenets_session_server.cli.server import main; sys.exit(main())"
    command = [*bare, program, "--database", str(database)]
    environment = {**os.environ, "PYTHONPATH": packages}
    with stopped_in_the_end(runtime / FOLDER, database):
        async with Client.started(command, env=environment) as client:
            await client.initialize()
            assert await client.served_by() != client.process.pid
            assert await client.leave() == 0


def limited(command: list[str], limit: str) -> list[str]:
    """Return the command with a limit of the shell's ``ulimit``, or with ``nice``."""
    return ["sh", "-c", f'{limit} && exec "$@"', "sh", *command]


@pytest.mark.own_daemon
async def test_the_daemon_raises_its_soft_limits(shared_command: list[str]) -> None:
    command = limited(shared_command, "ulimit -St 1000 && ulimit -Sf 100000 && ulimit -Sn 200")
    async with Client.started(command) as client:
        await client.initialize()
        limits = Path(f"/proc/{await client.served_by()}/limits").read_text().splitlines()
        soft = {line[:25].strip(): line[26:47].strip() for line in limits}
        hard = {line[:25].strip(): line[47:68].strip() for line in limits}
        assert soft["Max cpu time"] == soft["Max file size"] == "unlimited"
        assert int(soft["Max open files"]) == min(int(hard["Max open files"]), 65536)
        await client.leave()


@pytest.mark.own_daemon
@pytest.mark.parametrize(
    ("limit", "less"),
    [
        ("ulimit -n 500", "fewer open files"),
        ("ulimit -t 1000", "less processor time"),
        ("ulimit -f 100000", "smaller files only"),
        ("ulimit -v 100000000", "less memory"),
        ("renice -n 5 -p $$ >/dev/null", "a lower priority"),
    ],
)
async def test_an_editor_that_may_use_more_than_the_daemon_is_served_alone(
    shared_command: list[str], limit: str, less: str
) -> None:
    async with Client.started(limited(shared_command, limit)) as client:
        await client.initialize()
        pid = await client.served_by()
        assert pid != client.process.pid
        await is_served_alone(shared_command, f"is allowed {less}")
        async with Client.started(limited(shared_command, limit)) as other:
            await other.initialize()
            assert await other.served_by() == pid
            await other.leave()
        await client.leave()


@pytest.mark.own_daemon
async def test_an_editor_that_may_use_less_is_served_by_the_daemon(
    shared_command: list[str],
) -> None:
    first = await is_shared(shared_command)
    assert await is_shared(limited(shared_command, "ulimit -n 500 && ulimit -t 1000")) == first


NO_THREADS = "ulimit -v 8000000 && ulimit -s 100000000"  # no room for another thread's stack


@pytest.mark.own_daemon
@pytest.mark.parametrize("mode", OPTIONS)
async def test_without_another_thread_everything_works_and_is_logged(
    shared_command: list[str], mode: str
) -> None:
    command = limited([*shared_command, *OPTIONS[mode], "--log-level", "info"], NO_THREADS)
    async with Client.started(command) as client:
        await client.initialize()
        await client.create("a")
        assert await client.leave() == 0
        assert "tenets-session-server" in await client.log()


async def test_a_file_as_input_needs_a_thread_and_says_so(
    server_command: list[str], tmp_path: Path
) -> None:
    given = tmp_path / "input"
    given.write_bytes(frame(INITIALIZE))
    command = limited([*server_command, "--standalone"], NO_THREADS)
    with given.open() as stdin:
        async with Client.started(command, stdin=stdin) as client:
            assert await client.ended() == 1
            log = await client.log()
    assert "no thread can be started for stdin, which is a file" in log
    assert "Traceback" not in log
