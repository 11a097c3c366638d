"""The command in each mode, and a server that several tests share."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from support import shared as shared_processes
from support.client import Client
from support.modes import OPTIONS
from support.people import Person, an_editor
from support.plain_editor import SOURCE
from tenets_session_server.daemon.address import FOLDER


@pytest.fixture(scope="session")
def lasting_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the databases of all tests are that one daemon serves."""
    return tmp_path_factory.mktemp("lasting")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file that editors without a plugin have open."""
    file = tmp_path / "app" / "login.py"
    file.parent.mkdir()
    file.write_text(SOURCE)
    return file


@pytest.fixture
def database(
    request: pytest.FixtureRequest, tmp_path: Path, lasting_folder: Path
) -> Iterator[Path]:
    """A database file that does not exist yet, in a folder that does not exist yet.

    In shared mode, and with the mark ``lasting_daemon``, all of them have the same path. So one
    daemon serves them, one after the other: without clients it has the database closed, and it
    creates a new one if that is gone.
    """
    marked = request.node.get_closest_marker
    lasting = marked("lasting_daemon") or mode_of(request) == "shared"
    if not lasting or marked("own_daemon") or marked("timings"):
        yield tmp_path / "cache" / "tenets.db"
        return
    folder = lasting_folder / "cache"
    yield folder / "tenets.db"
    if shared_processes.has_clients(folder / "tenets.db"):
        shared_processes.stop(folder / "tenets.db")
    if folder.is_dir():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)


def mode_of(request: pytest.FixtureRequest) -> str | None:
    """Return the mode of the test's ``server_command``, None without one."""
    if "server_command" not in request.fixturenames:
        return None
    callspec = getattr(request.node, "callspec", None)
    return "shared" if callspec is None else callspec.params.get("server_command", "shared")


@pytest.fixture
def server_command(
    request: pytest.FixtureRequest, database: Path, lasting_folder: Path
) -> Iterator[list[str]]:
    """The installed server as an editor would start it, in the mode that the test asks for."""
    command = [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
    yield [*command, *OPTIONS[mode_of(request) or "shared"]]
    if lasting_folder not in database.parents:
        shared_processes.stop(database)


@pytest.fixture
def shared_command(database: Path, lasting_folder: Path) -> Iterator[list[str]]:
    """The same in shared mode only, by a daemon of the test's own if it is not marked."""
    yield [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
    if lasting_folder not in database.parents:
        shared_processes.stop(database)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``$XDG_RUNTIME_DIR`` of one's own, and a home folder."""
    found = tmp_path / "runtime"
    found.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(found))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "home").mkdir()
    return found


@pytest.fixture
def sockets(runtime: Path) -> Path:
    """The folder of the sockets."""
    found = runtime / FOLDER
    found.mkdir(mode=0o700)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=OPTIONS)
async def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Client]:
    """One server that has to survive everything that is thrown at it, one test after the other."""
    database = tmp_path_factory.mktemp("shared") / "tenets.db"
    command = [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
    async with Client.started([*command, *OPTIONS[request.param]]) as client:
        await client.initialize()
        yield client
        assert await client.leave() == 0
        assert "Traceback" not in await client.log()
    shared_processes.stop(database)


@pytest.fixture(params=["alone", "with a daemon"])
def person(request: pytest.FixtureRequest, database: Path, tmp_path: Path) -> Iterator[Person]:
    """A person, with and without an editor that is open on the database."""
    found = Person(database, tmp_path / "app")
    if request.param == "alone":
        yield found
        return
    with an_editor(found):
        yield found
    shared_processes.stop(database)


@pytest.fixture
def alone(database: Path, tmp_path: Path) -> Person:
    """A person without an editor, for what does not depend on a daemon."""
    return Person(database, tmp_path / "app")
