"""Every way to install it gives a command that works. Needs PyPI."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.client import Client

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, **options: object) -> str:
    shown = subprocess.run(  # type: ignore[call-overload]
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return str(shown.stdout)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project as git has it, so that nothing lying about is packed."""
    copy = tmp_path_factory.mktemp("source")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A new virtual environment; returns its folder of commands."""
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    return tmp_path / "venv" / "bin"


def works(command: list[str], database: Path, cwd: Path) -> None:
    """Have a conversation, started where a folder named "server" is in the way."""
    (cwd / "server").mkdir()
    (cwd / "server" / "__init__.py").touch()

    async def talk() -> None:
        arguments = [*command, "--stdio", "--database", str(database)]
        async with Client.started(arguments, cwd=cwd) as client:
            assert (await client.initialize())["warnings"] == []
            await client.result("tenets/session.create", {"name": "a", "active": True})
            assert await client.leave() == 0

    asyncio.run(talk())


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_built_packages(
    kind: str, source: Path, environment: Path, database: Path, tmp_path: Path
) -> None:
    dist = tmp_path / "dist"
    run(environment / "pip", "install", "-q", "build")
    run(environment / "python", "-m", "build", f"--{kind}", "--outdir", dist, source)
    (built,) = dist.iterdir()
    if kind == "wheel":
        with zipfile.ZipFile(built) as wheel:
            names = wheel.namelist()
        top = {name.split("/")[0] for name in names}
        assert "tenets_session_server/py.typed" in names
        assert top == {
            "tenets_session_server",
            f"{built.name.removesuffix('-py3-none-any.whl')}.dist-info",
        }
    run(environment / "pip", "install", "-q", built)
    shipped = source / "server" / "tenets_session_server" / "schema.json"
    assert run(environment / "tenets-session-server", "schema") == shipped.read_text("utf-8")
    (tmp_path / "cwd").mkdir()
    works([str(environment / "tenets-session-server")], database, tmp_path / "cwd")


def test_an_editable_install(
    source: Path, environment: Path, database: Path, tmp_path: Path
) -> None:
    run(environment / "pip", "install", "-q", "-e", source)
    (tmp_path / "cwd").mkdir()
    works([str(environment / "python"), "-m", "tenets_session_server"], database, tmp_path / "cwd")


@pytest.mark.parametrize("tool", ["pipx", "uv"])
def test_tools_that_install_commands(
    tool: str, source: Path, environment: Path, database: Path, tmp_path: Path
) -> None:
    run(environment / "pip", "install", "-q", tool)
    env = {
        **os.environ,
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "commands"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "commands"),
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
    }
    install = ["install"] if tool == "pipx" else ["tool", "install", "--python", sys.executable]
    run(environment / tool, *install, source, env=env)
    (tmp_path / "cwd").mkdir()
    works([str(tmp_path / "commands" / "tenets-session-server")], database, tmp_path / "cwd")
