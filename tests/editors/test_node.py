"""The Node example: its script, and its client as an extension's author would use it.

Each test of the client is a small module, run by Node beside a copy of the example; the last line
that it prints is what it found.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from support.wire import Json
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

pytestmark = pytest.mark.editors

EXAMPLE: Final = Path(__file__).parents[2] / "client_examples" / "node"
DEADLINE: Final = 120.0
INSTALL_DEADLINE: Final = 600.0

SERVER: Final = [sys.executable, "-m", "tenets_session_server"]

# What every snippet starts with. The file is given by the test; a name that is not exported is
# a name that the example's users cannot import either.
PRELUDE: Final = """\
import { TenetsSessionClient, TenetsSessionError } from "./tenets-session-client.mjs";
const [database, command, ...args] = JSON.parse(process.argv[2]);
const start = () => TenetsSessionClient.start({ command, args: [...args, "--database", database] });
const failure = (promise) =>
  promise.then(
    (value) => ({ resolved: value ?? null }),
    (error) => ({
      known: error instanceof TenetsSessionError,
      kind: error.kind,
      retryable: error.retryable,
      code: error.code ?? null,
      data: error.data,
      message: error.message,
    }),
  );
const found = (value) => console.log(JSON.stringify(value));
"""

CAPABILITY: Final[Json] = {"protocolVersion": 1, "methods": [], "warnings": []}

Snippet = Callable[..., Any]


def program(name: str) -> str:
    """Return where a program is; its absence is a failure, for then nothing has been tested."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(
            f"{name} is not installed, and these tests are about it: install Node 18 or newer with "
            "npm (Debian and Ubuntu: apt-get install nodejs npm; or from nodejs.org)",
            pytrace=False,
        )
    return path


@pytest.fixture(scope="session")
def node() -> str:
    """The interpreter."""
    return program("node")


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with what it depends on, installed as its README tells."""
    npm = program("npm")
    copy = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=INSTALL_DEADLINE,
        check=False,
    )
    if installed.returncode != 0:
        pytest.fail(f"npm ci failed:\n{installed.stdout}{installed.stderr}", pytrace=False)
    return copy


def opened(database: Path) -> SessionDB:
    """Return the product's own view of the file."""
    return SessionDB(TenetsConfig(database=database))


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


def finished(
    command: list[str], folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and make sure that no process of its is left."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            # The pipes end only when every process that has them has ended.
            stdout, stderr = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            raise
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def share(node: str, example: Path, *options: str) -> tuple[list[str], str]:
    """Run the example's script, which has to succeed; return its lines and its stderr."""
    done = finished([node, "share_session.mjs", *options], example)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines(), done.stderr


def test_two_windows_share_sessions(node: str, example: Path, database: Path) -> None:
    lines, stderr = share(node, example, "--database", str(database), "--server", *SERVER)
    assert stderr == ""
    # What the windows are told of by notifications may come between these.
    expected = [
        f"window one: the database is {database}",
        "window one: the active session is none",
        'window one: created and activated "refactor the parser"',
        "window one: noted 30 bytes in it",
        'window two: lists * "refactor the parser", 1 noted',
        'window two: reads its metadata: branch "main"',
        'window two: created and activated "bug 4711: login loops"',
        'window one: the active session is "bug 4711: login loops"',
        'window one: sees that "refactor the parser" has ended',
        'window one: sees its files: ["parser.py","lexer.py"]',
    ]
    assert [line for line in lines if "was told:" not in line] == expected

    with opened(database) as stored:
        bug, refactoring = stored.list_sessions()
        assert stored.get_active_session() == bug
        assert (bug.name, bug.metadata["issue"]) == ("bug 4711: login loops", 4711)
        assert refactoring.name == "refactor the parser"
        assert refactoring.metadata["branch"] == "main"
        assert refactoring.metadata["open files"] == ["parser.py", "lexer.py"]
        assert refactoring.metadata["active"] is False
        assert "ended_at" in refactoring.metadata
        page = stored.sessions.page(include_context_count=True)
        assert [session.context_count for session in page.sessions] == [0, 1]


def test_the_script_may_be_run_again_on_the_same_database(
    node: str, example: Path, database: Path
) -> None:
    options = ("--database", str(database), "--server", *SERVER)
    share(node, example, *options)
    lines, _ = share(node, example, *options)
    assert 'window one: activated "refactor the parser", which was there already' in lines
    assert 'window two: activated "bug 4711: login loops", which was there already' in lines
    with opened(database) as stored:
        page = stored.sessions.page(include_context_count=True)
        assert [session.context_count for session in page.sessions] == [0, 2]


def test_without_a_database_the_script_leaves_nothing(
    node: str, example: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    installed = shutil.which("tenets-session-server", path=str(Path(sys.executable).parent))
    assert installed is not None
    done = finished(
        [node, "share_session.mjs"],
        example,
        TENETS_SESSION_SERVER=installed,
        TMPDIR=str(temporary),
    )
    assert done.returncode == 0, done.stderr
    assert f"window one: the database is {temporary}" in done.stdout
    assert list(temporary.iterdir()) == []


def test_the_script_says_what_it_lacks(node: str, example: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such-server")
    done = finished([node, "share_session.mjs"], example, TENETS_SESSION_SERVER=missing)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"startFailed: {missing} could not be started: there is no such")
    for mistake in (["--frobnicate"], ["--server"], ["--database"]):
        done = finished([node, "share_session.mjs", *mistake], example)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("usage: ")


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((EXAMPLE / "package-lock.json").read_text(encoding="utf-8"))
    package = json.loads((EXAMPLE / "package.json").read_text(encoding="utf-8"))
    assert "://" not in json.dumps(lock)
    pinned = package["dependencies"]
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in pinned} == pinned
    assert all("integrity" in entry for path, entry in lock["packages"].items() if path)


def test_the_client_does_everything(run: Snippet, database: Path) -> None:
    found = run("""
        const client = await start();
        const created = await client.create("a", { metadata: { n: 1 } });
        const entry = await client.addContext("b", "note", "Grüße");
        const activated = await client.setActive("b");
        const cached = client.active;
        const updated = await client.updateMetadata("a", { n: null, m: [2] });
        await client.create("c", { active: true });
        const moved = client.active.name;
        await client.setActive("c", false);
        const none = client.active;
        const names = [];
        for await (const { name } of client.sessions({ limit: 1, order: "oldest" })) {
          names.push(name);
        }
        const page = await client.list({ limit: 2 });
        const unknown = await client.get("nobody");
        const deleted = [await client.delete("c"), await client.delete("c")];
        const again = await client.get("a");
        await client.setActive("a");
        const status = await client.stop();
        found({ created, entry, activated, cached, updated, moved, none, names, page, unknown,
                deleted, again, capability: client.capability, status });
    """)
    assert found["created"].keys() == {"id", "name", "createdAt", "active", "metadata"}
    assert (found["entry"]["size"], found["entry"]["sessionCreated"]) == (7, True)
    assert found["cached"] == found["activated"]
    assert found["activated"]["active"] is True
    assert found["updated"]["metadata"] == {"n": None, "m": [2]}
    assert found["again"] == found["updated"]
    assert (found["moved"], found["none"]) == ("c", None)
    assert found["names"] == ["a", "b", "c"]
    assert [session["name"] for session in found["page"]["sessions"]] == ["c", "b"]
    assert isinstance(found["page"]["nextCursor"], str)
    assert (found["unknown"], found["deleted"]) == (None, [True, False])
    assert found["capability"]["protocolVersion"] == 1
    assert found["capability"]["warnings"] == []
    assert "tenets/session.create" in found["capability"]["methods"]
    assert found["status"] == {"code": 0, "signal": None}

    with opened(database) as stored:
        assert [session.name for session in stored.list_sessions()] == ["b", "a"]
        active = stored.get_active_session()
        assert active is not None
        assert (active.name, active.metadata["m"]) == ("a", [2])


def test_deleting_everything_leaves_none_active(run: Snippet, database: Path) -> None:
    found = run("""
        const client = await start();
        await client.create("a", { active: true });
        await client.addContext("b", "note", "x");
        const counts = [await client.deleteAll(), await client.deleteAll()];
        found({ counts, active: client.active, asked: await client.getActive() });
        await client.stop();
    """)
    assert found == {"counts": [2, 0], "active": None, "asked": None}
    with opened(database) as stored:
        assert stored.list_sessions() == []


def test_a_new_client_knows_what_is_active(run: Snippet, database: Path) -> None:
    with opened(database) as stored:
        stored.create_session("from before")
        stored.set_active("from before", True)
    found = run("""
        const client = await start();
        found(client.active.name);
        await client.stop();
    """)
    assert found == "from before"


def test_errors_have_kinds(run: Snippet) -> None:
    taken, unknown, wrong, unwritable, method, after = run("""
        const client = await start();
        await client.create("taken");
        const errors = [
          await failure(client.create("taken")),
          await failure(client.setActive("nobody")),
          await failure(client.create("")),
          await failure(client.create("n", { metadata: { big: 1n } })),
          await failure(client.request("frobnicate")),
        ];
        await client.stop();
        found([...errors, await failure(client.list())]);
    """)
    assert all(error["known"] for error in (taken, unknown, wrong, unwritable, method, after))
    assert (taken["kind"], taken["retryable"], taken["code"], taken["data"]) == (
        *("sessionExists", False, -32803),
        {"name": "taken"},
    )
    assert (unknown["kind"], unknown["data"]) == ("sessionNotFound", {"name": "nobody"})
    assert (wrong["kind"], wrong["code"]) == ("invalidParams", -32602)
    assert "name" in wrong["message"]
    assert (unwritable["kind"], unwritable["code"]) == ("invalidParams", None)
    assert (method["kind"], method["code"]) == ("protocolError", -32601)
    assert (after["kind"], after["code"]) == ("connectionLost", None)


METADATA: Final[Json] = {
    "jsonrpc": "2.0",
    "id": {"method": "exit", "params": []},
    "snake_case": {"camelCase": None, "a b": [[[]]]},
    "": 0.1,
    "__proto__": {"constructor": True},
    "🔑 \u2028": "Ünïcödé 🧵 \x00",
}


def test_metadata_keeps_its_keys(run: Snippet, database: Path) -> None:
    found = run(f"""
        const text = {json.dumps(json.dumps(METADATA))};
        const one = await start();
        const other = await start();
        await one.create("m", {{ metadata: JSON.parse(text) }});
        found((await other.get("m")).metadata);
        await Promise.all([one.stop(), other.stop()]);
    """)
    assert found == METADATA
    assert list(found) == list(METADATA)
    with opened(database) as stored:
        record = stored.get_session("m")
        assert record is not None
        assert record.metadata == METADATA


def test_a_killed_server_leaves_nobody_waiting(run: Snippet) -> None:
    found = run("""
        const client = await start();
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


def test_a_missing_server_is_told(run: Snippet, tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such-server")
    message = failed_start(run, missing)
    assert message.startswith(f"{missing} could not be started: there is no such program")


def test_what_cannot_be_executed_is_told(run: Snippet, tmp_path: Path) -> None:
    assert failed_start(run, str(tmp_path)).endswith("could not be started: it may not be executed")


def test_a_server_that_ends_at_once_is_told(run: Snippet) -> None:
    message = failed_start(run, *SERVER, "--no-such-option")
    assert message == f"{sys.executable} ended with status 2 before it was ready"


def test_another_protocol_is_told(run: Snippet, node: str, example: Path) -> None:
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


def test_a_change_is_told_after_active_is_up_to_date(
    run: Snippet, node: str, example: Path
) -> None:
    server = stand_in(example, capability=CAPABILITY)
    found = run(
        """
        const client = await start();
        const before = client.active;
        const told = [];
        client.onDidChange(() => { throw new Error("a bad listener harms no other"); });
        client.onDidChange(({ revision, changes }) => told.push([
          revision, changes.map(({ type }) => type), client.active?.name ?? null,
        ]));
        client.onDidChange(() => told.push("ignored")).dispose();
        await client.request("change", { revision: 7, changes: [{ type: "activated" }],
                                         active: { id: 1, name: "theirs" } });
        await client.request("change", { revision: 8, changes: [], active: null });
        const { code } = await client.stop();
        found({ before, told, code });
        """,
        *(node, str(server)),
    )
    assert found == {
        "before": None,
        "told": [[7, ["activated"], "theirs"], [8, [], None]],
        "code": 0,
    }


def stand_in(example: Path, *, capability: Json) -> Path:
    """Return a server that announces ``capability``, and does on request what tests need."""
    module = example / "stand-in-server.mjs"
    module.write_text(
        f"""
import {{ spawn }} from "node:child_process";
import {{ createMessageConnection, StreamMessageReader, StreamMessageWriter }}
  from "vscode-jsonrpc/node";
const connection = createMessageConnection(
  new StreamMessageReader(process.stdin), new StreamMessageWriter(process.stdout));
const experimental = {{ tenetsSession: {json.dumps(capability)} }};
connection.onRequest("initialize", () => ({{ capabilities: {{ experimental }} }}));
connection.onRequest("tenets/session.getActive", () => null);
connection.onRequest("tenets/session.change", async (params) => {{
  await connection.sendNotification("tenets/session.didChange", params);
  return null;
}});
connection.onRequest("tenets/session.holdPipe", () => {{
  const stdio = ["ignore", "inherit", "ignore"];
  const idle = ["-e", "setInterval(() => {{}}, 1e6)"];
  // Detached: it belongs to the snippet, which ends it, and not to the group that has to be empty.
  return spawn(process.execPath, idle, {{ stdio, detached: true }}).pid;
}});
connection.onRequest("shutdown", () => null);
connection.onNotification("exit", () => process.exit(0));
connection.listen();
""",
        encoding="utf-8",
    )
    return module
