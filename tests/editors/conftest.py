"""The editors and runtimes that are tested, and the example for each."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from editors.neovim_support import Neovim, Opener, ServerProgram, neovim_program
from editors.node_support import (
    EXAMPLE,
    PRELUDE,
    SERVER,
    Snippet,
    finished,
    npm,
)
from editors.node_support import program as node_program


@pytest.fixture(params=["on the PATH", "newest"])
def program(request: pytest.FixtureRequest) -> str:
    """Each Neovim in turn."""
    return neovim_program(request.param)


@pytest.fixture
def server(tmp_path: Path, server_command: list[str]) -> Iterator[ServerProgram]:
    """The installed server, as ``tenets-session-server`` on the PATH."""
    found = ServerProgram(tmp_path / "bin", server_command)
    yield found
    found.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder that Neovim is started in."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def opened(program: str, project: Path, server: ServerProgram) -> Opener:
    """Open a Neovim that finds the server on its PATH."""

    def open_neovim(path: str | None = None) -> AbstractContextManager[Neovim]:
        default = f"{server.path.parent}{os.pathsep}{os.environ['PATH']}"
        return Neovim.opened(program, project, default if path is None else path)

    return open_neovim


@pytest.fixture
def nvim(opened: Opener, server: ServerProgram) -> Iterator[Neovim]:
    """A Neovim with ``setup{}`` in its configuration; afterwards its server has to be gone."""
    with opened() as neovim:
        neovim.lua("require('tenets').setup{}")
        yield neovim
    server.wait_until_all_ended()


@pytest.fixture(scope="session")
def node() -> str:
    """The interpreter."""
    return node_program("node")


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with what it depends on, installed as its README tells."""
    copy = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("node_modules"))
    npm(copy, "ci", "--no-audit", "--no-fund")
    return copy


@pytest.fixture
def run(node: str, example: Path, database: Path, request: pytest.FixtureRequest) -> Snippet:
    """Run a snippet on :func:`database`; return what it found."""

    def run_snippet(body: str, *server: str) -> Any:
        # A snippet has to be beside the client, where Node looks for its packages.
        module = example / f"{request.node.originalname}.mjs"
        module.write_text(PRELUDE + body, encoding="utf-8")
        given = json.dumps([str(database), *(server or SERVER)])
        done = finished([node, module.name, given], example)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.rstrip("\n").split("\n")[-1])

    return run_snippet
