"""The Node example's client when the server ends, hangs, or is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from editors.node_support import (
    CAPABILITY,
    SERVER,
    Snippet,
    stand_in,
)

pytestmark = pytest.mark.editors

IDLE: Final = "setInterval(() => {}, 1e6);"


def failed_start(run: Snippet, *server: str, options: str = "{}") -> str:
    """Return the message that a start of something that does not start fails with."""
    error = run(
        "const server = { command, args: [...args, '--database', database] };"
        f"found(await failure(TenetsSessionClient.start({{ ...server, ...{options} }})));",
        *server,
    )
    assert (error["known"], error["kind"], error["code"]) == (True, "startFailed", None)
    message = error["message"]
    assert isinstance(message, str)
    return message


def test_pending_requests_fail_when_the_server_is_killed(run: Snippet) -> None:
    found = run("""
        const client = await TenetsSessionClient.start({
          command, args: [...args, "--database", database, "--standalone"], reconnect: false });
        const exits = [];
        client.onExit((status) => exits.push(status));
        client.onExit(() => { throw new Error("a bad listener harms no other"); });
        client.onExit((status) => exits.push(status));
        // Stopped it cannot answer, so that all of these are pending when it ends.
        process.kill(client.pid, "SIGSTOP");
        const pending = [client.list(), client.getActive(), client.create("x")].map(failure);
        process.kill(client.pid, "SIGKILL");
        const errors = await Promise.all(pending);
        await client.exited;
        const later = await failure(client.list());
        found({ errors, later, exits, stopped: await client.stop() });
    """)
    killed = {"code": None, "signal": "SIGKILL"}
    assert [error["kind"] for error in found["errors"]] == ["connectionLost"] * 3
    assert all(error["known"] and not error["retryable"] for error in found["errors"])
    assert found["later"]["kind"] == "connectionLost"
    assert found["exits"] == [killed, killed]
    assert found["stopped"] == killed


def test_stop_is_orderly_and_may_be_repeated(run: Snippet) -> None:
    found = run("""
        const client = await start();
        const exits = [];
        client.onExit((status) => exits.push(status));
        const disposed = client.onExit(() => exits.push("disposed of"));
        disposed.dispose();
        const pending = client.create("asked before");
        const stops = await Promise.all([client.stop(), client.stop()]);
        const { name } = await pending;
        found({ stops: [...stops, await client.stop()], exits, name });
    """)
    ended = {"code": 0, "signal": None}
    assert found == {"stops": [ended] * 3, "exits": [ended], "name": "asked before"}


def test_the_end_is_noticed_though_another_process_holds_the_pipe(
    run: Snippet, node: str, example: Path
) -> None:
    server = stand_in(example, capability=CAPABILITY)
    found = run(
        """
        const client = await start();
        const holder = await client.request("holdPipe");
        const status = await client.stop();
        const timers = process.getActiveResourcesInfo().filter((type) => type === "Timeout");
        process.kill(holder, 0);  // throws where it has ended, so that nothing was tested
        process.kill(holder, "SIGKILL");
        found({ status, timers });
        """,
        *(node, str(server)),
    )
    # A timer that is left would keep the program running for nothing.
    assert found == {"status": {"code": 0, "signal": None}, "timers": []}


def test_a_server_that_does_not_end_is_killed(run: Snippet) -> None:
    found = run("""
        const client = await start();
        process.kill(client.pid, "SIGSTOP");
        found(await client.stop(100));
    """)
    assert found == {"code": None, "signal": "SIGKILL"}


def test_a_missing_server_is_an_error(run: Snippet, tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such-server")
    message = failed_start(run, missing)
    assert message.startswith(f"{missing} could not be started: there is no such program")


def test_a_file_that_is_not_executable_is_an_error(run: Snippet, tmp_path: Path) -> None:
    assert failed_start(run, str(tmp_path)).endswith("could not be started: it may not be executed")


def test_a_server_that_ends_at_once_is_an_error(run: Snippet) -> None:
    message = failed_start(run, *SERVER, "--no-such-option")
    assert message == f"{sys.executable} ended with status 2 before it was ready"


def test_another_protocol_version_is_an_error(run: Snippet, node: str, example: Path) -> None:
    message = failed_start(run, node, str(stand_in(example, capability={"protocolVersion": 2})))
    assert message.endswith("protocol version 1 is needed, the server speaks 2")


def test_what_speaks_no_protocol_is_ended(run: Snippet, node: str) -> None:
    message = failed_start(run, node, "-e", f"console.log('hello\\r\\n\\r\\n'); {IDLE}", "--")
    assert message == f"{node} was ended by SIGKILL before it was ready"


def test_what_says_nothing_is_ended(run: Snippet, node: str) -> None:
    message = failed_start(run, node, "-e", IDLE, "--", options="{ timeout: 100 }")
    assert message == f"{node} was not ready within 100 ms"


def test_what_closes_its_output_is_ended(run: Snippet, node: str) -> None:
    close = "require('fs').closeSync(1);"
    message = failed_start(run, node, "-e", f"{close} {IDLE}", "--")
    assert message == f"{node} was ended by SIGKILL before it was ready"
