"""The Neovim example when something is missing, ends, hangs, or is quit too early."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from editors import neovim_support
from editors.neovim_support import Neovim, Opener, ServerProgram, neovim_program
from editors.stored import context, names
from support import shared

pytestmark = pytest.mark.editors


def test_a_killed_server_is_reported_once_and_started_again_by_itself(
    nvim: Neovim, server: ServerProgram
) -> None:
    nvim.command("Tenets create s")
    nvim.wait_until_told("tenets: created and activated s")
    (first,) = server.pids()
    os.kill(first, signal.SIGKILL)
    message = "tenets: the server has ended (signal 9); it is started again"
    nvim.wait_for("vim.fn.execute('messages'):find(args[1], 1, true)", message)
    nvim.wait_until_status_is("tenets: s")
    assert len(server.pids()) == 2
    nvim.command("Tenets")
    active = "tenets: s (active in every editor)"
    nvim.wait_for("vim.fn.execute('messages'):find(args[1], 1, true)", active)
    assert nvim.messages().count("tenets: ") == 2


def test_the_status_line_tells_disconnected_apart_from_no_session(
    nvim: Neovim, server: ServerProgram
) -> None:
    nvim.wait_until_status_is("")
    nvim.command("Tenets create s")
    nvim.wait_until_status_is("tenets: s")
    program = server.path.read_bytes()
    server.becomes(b"#!/bin/sh\nexit 3\n")
    (first,) = server.pids()
    os.kill(first, signal.SIGKILL)
    nvim.wait_until_status_is("tenets: disconnected")
    assert nvim.completions("Tenets switch ") == []
    server.becomes(program)
    nvim.wait_until_status_is("tenets: s")
    # The attempts in between are not reported.
    assert nvim.messages().count("tenets: ") == 2


def test_a_killed_daemon_is_reported_and_another_one_is_started(
    nvim: Neovim, database: Path
) -> None:
    nvim.command("Tenets create s")
    nvim.wait_until_told("tenets: created and activated s")
    first = shared.report(database)["pid"]
    os.kill(first, signal.SIGKILL)
    message = "tenets: the server has ended (exit status 1); it is started again"
    nvim.wait_for("vim.fn.execute('messages'):find(args[1], 1, true)", message)
    nvim.wait_until_status_is("tenets: s")
    nvim.command("Tenets create another")
    created = "tenets: created and activated another"
    nvim.wait_for("vim.fn.execute('messages'):find(args[1], 1, true)", created)
    assert shared.report(database)["pid"] != first


def test_requests_that_are_lost_with_the_server_are_reported(
    opened: Opener, server: ServerProgram
) -> None:
    with opened() as nvim:
        nvim.setup(cmd=[str(server.path), "--standalone"])  # so that it is what we stop
        nvim.command("Tenets create s")
        nvim.wait_until_told("tenets: created and activated s")
        (first,) = server.pids()
        os.kill(first, signal.SIGSTOP)
        nvim.command("TenetsAdd s")
        os.kill(first, signal.SIGKILL)
        nvim.wait_until_told(
            "tenets: [No Name]:1-1 was not added: no reply, because the server ended;"
            " addContext may or may not have been executed"
        )
        nvim.command("Tenets list")
        nvim.wait_until_told("* s")
    server.wait_until_all_ended()


def test_a_missing_program_is_reported(opened: Opener, project: Path) -> None:
    how = "is not on the PATH; see :checkhealth tenets"
    with opened(path="/nonexistent") as nvim:
        nvim.lua("return require('tenets').statusline()")  # it wants to know
        nvim.wait_until_told(f"tenets: tenets-session-server {how}")
        nvim.setup()
        nvim.command("Tenets create s")
        nvim.wait_until_told(f"tenets: tenets-session-server {how}")
        nvim.setup(cmd=[str(project / "missing")])
        nvim.command("TenetsAdd s")
        nvim.wait_until_told(f"tenets: [No Name]:1-1 was not added: {project}/missing {how}")
        assert nvim.completions("Tenets switch ") == []


def test_a_program_that_is_no_server_is_reported(opened: Opener, project: Path) -> None:
    ends = project / "ends"
    ends.write_text("#!/bin/sh\nexit 3\n")
    cannot_run = project / "cannot-run"
    cannot_run.write_text("#!/nonexistent/interpreter\n")
    for path in (ends, cannot_run):
        path.chmod(0o755)
    with opened() as nvim:
        nvim.setup(cmd=[str(ends)])
        nvim.command("Tenets create s")
        nvim.wait_for(
            "vim.fn.execute('messages'):find(args[1], 1, true)",
            "tenets: no reply, because the server ended; create was not executed",
        )
        assert "tenets: the server has ended (exit status 3)" in nvim.messages()
        nvim.setup(cmd=[str(cannot_run), "--stdio"])
        nvim.command("Tenets create s")
        nvim.wait_until_told(f"tenets: could not start {cannot_run} --stdio")


def test_the_program_may_be_named_by_its_path(opened: Opener, server: ServerProgram) -> None:
    with opened(path="/usr/bin:/bin") as nvim:
        nvim.setup(cmd=[str(server.path)])
        nvim.command("Tenets create s")
        nvim.wait_until_told("tenets: created and activated s")


def test_a_database_that_cannot_be_used_is_reported(
    opened: Opener, server: ServerProgram, project: Path
) -> None:
    wrong = project / "not-a-database"
    wrong.write_text("This is text, and rather more of it than a header. " * 100)
    with opened() as nvim:
        nvim.setup(cmd=[str(server.path), "--database", str(wrong)])
        nvim.wait_until_status_is("")
        nvim.wait_for("vim.fn.execute('messages'):find('tenets: ', 1, true)")
        nvim.command("messages clear")
        nvim.command("Tenets create s")
        nvim.wait_for("vim.fn.execute('messages'):find('tenets: ', 1, true)")
        assert "created" not in nvim.messages()
        nvim.wait_until_status_is("")


def test_quitting_leaves_no_server(opened: Opener, server: ServerProgram) -> None:
    with opened() as nvim:
        nvim.lua("require('tenets').setup{}")
        nvim.command("Tenets create s")
        nvim.wait_until_told("tenets: created and activated s")
    assert len(server.pids()) == 1
    server.wait_until_all_ended()


def test_quitting_while_the_server_starts_leaves_none(
    opened: Opener, server: ServerProgram
) -> None:
    with opened() as nvim:
        nvim.lua("require('tenets').setup{}")
    server.wait_until_all_ended()


@pytest.mark.parametrize("command", [":qa!", ":wqall"])
def test_quitting_at_once_loses_nothing(
    opened: Opener, server: ServerProgram, database: Path, command: str
) -> None:
    with opened() as nvim:
        nvim.leaves_by = command
        nvim.lua("""
            require('tenets').setup{}
            vim.cmd("Tenets create s")
            vim.fn.setline(1, "the last words")
            vim.cmd("TenetsAdd")
            vim.bo.modified = false
        """)
    server.wait_until_all_ended()
    assert context(database) == [("s", "code", "[No Name]:1-1\nthe last words")]


def test_a_frozen_server_freezes_nothing(
    opened: Opener, server: ServerProgram, database: Path
) -> None:
    with opened() as nvim:
        nvim.setup(cmd=[str(server.path), "--standalone"])
        nvim.command("Tenets create s")
        nvim.wait_until_told("tenets: created and activated s")
        (frozen,) = server.pids()
        os.kill(frozen, signal.SIGSTOP)
        # Nothing of this waits, so it takes no longer than a moment; completion takes 300 ms.
        took = nvim.lua("""
            local start = vim.fn.reltime()
            vim.cmd("Tenets create lost")
            vim.cmd("Tenets list")
            vim.cmd("TenetsAdd")
            assert(require("tenets").statusline() == "tenets: s")
            assert(vim.fn.getcompletion("Tenets exit ", "cmdline")[1] == nil)
            return vim.fn.reltimefloat(vim.fn.reltime(start))
        """)
        assert 0.2 < took < 4
    # It has quit all the same, and has asked the server to end, which it does when it can.
    os.kill(frozen, signal.SIGCONT)
    server.wait_until_all_ended()
    assert "s" in names(database)


@pytest.mark.parametrize("which", ["on the PATH", "newest"])
def test_a_missing_neovim_is_a_failure_that_says_what_to_do(
    which: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(neovim_support.NEWEST_VARIABLE, raising=False)
    with pytest.raises(pytest.fail.Exception, match="install"):
        neovim_program(which)
    monkeypatch.setenv(neovim_support.NEWEST_VARIABLE, str(tmp_path / "nvim"))
    with pytest.raises(pytest.fail.Exception, match="install"):
        neovim_program(which)
