"""The Node client has every method, typed; it reconnects, catches up, and cancels."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from docs import clients
from editors.node_support import CAPABILITY, DEADLINE, EXAMPLE, Snippet, stand_in
from editors.stored import stored
from tenets_session_server.methods.table import METHODS

pytestmark = pytest.mark.editors


def test_the_hand_written_part_is_small() -> None:
    text = clients.NODE.read_text(encoding="utf-8")
    by_hand = re.sub(r"(?s)// <generated>.*// </generated>", "", text)
    assert len(by_hand.splitlines()) < 400
    assert clients.NODE.parent == EXAMPLE


RIGHT = """
import { TenetsSessionClient, TenetsSessionError } from "./tenets-session-client.mjs";
import type { DidChange } from "./tenets-session-client.mjs";

export async function right(client: TenetsSessionClient, signal: AbortSignal): Promise<string> {
  const added = await client.methods.addContext(
    { sessionName: "a", kind: "note", content: "x", location: { uri: "/a.py" } }, { signal });
  const page = await client.methods.list({ limit: 5, order: "recent" });
  const stats = await client.methods.stats();
  client.onDidChange((event: DidChange) => console.log(event.changes[0]?.type, event.incomplete));
  try {
    await client.create("a", { active: true });
  } catch (error) {
    if (!(error instanceof TenetsSessionError) || error.kind !== "sessionExists") throw error;
  }
  for await (const session of client.sessions({ namePrefix: "a" })) console.log(session.name);
  return added.preview + (page.nextCursor ?? "") + stats.sessions.toFixed();
}
"""

WRONG = [
    'await client.methods.addContext({ kind: "note" });',
    'await client.methods.list({ limit: "5" });',
    'await client.methods.list({ order: "random" });',
    "await client.methods.frobnicate();",
    "(await client.methods.stats()).nonsense;",
    "await client.create(5);",
    'new TenetsSessionError("k", "m").kind === "sessionExist";',
]


def test_wrong_usage_is_an_error_of_tsc(node: str, example: Path) -> None:
    wrong = "\n".join(f"  // @ts-expect-error\n  {line}" for line in WRONG)
    sample = example / "sample.ts"
    sample.write_text(
        f"{RIGHT}\nexport async function wrong(client: TenetsSessionClient) {{\n{wrong}\n}}\n",
        encoding="utf-8",
    )
    compiler = str(example / "node_modules" / "typescript" / "bin" / "tsc")
    options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom"]
    checked = subprocess.run(
        [node, compiler, *options, "--module", "nodenext", sample.name],
        cwd=example,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    # An error that was expected and is none is an error as well.
    assert (checked.returncode, checked.stdout) == (0, "")


def test_no_registry_is_named() -> None:
    lock = (EXAMPLE / "package-lock.json").read_text(encoding="utf-8")
    assert "http" not in lock
    assert '"resolved"' not in lock


def test_every_declared_member_is_there(run: Snippet) -> None:
    text = clients.DECLARATIONS.read_text(encoding="utf-8")
    declared = text.partition("export class TenetsSessionClient {")[2]
    names = re.findall(r"^  (?:readonly )?(\w+)[(:]", declared, re.MULTILINE)
    assert "sessions" in names
    found = run(f"""
        const client = await start();
        found({names}.filter((name) => name !== "constructor" && !(name in client)));
        await client.stop();
    """)
    assert found == []


def test_every_method_can_be_called(run: Snippet) -> None:
    verbs = [method.verb for method in METHODS]
    found = run(f"""
        const client = await start();
        const kinds = [];
        for (const verb of {verbs}) kinds.push((await failure(client.methods[verb]())).code);
        const [session] = [await client.methods.create({{ name: "a" }})];
        found({{ kinds, session, stats: await client.methods.stats() }});
        await client.stop();
    """)
    assert -32601 not in found["kinds"]
    assert (found["session"]["name"], found["stats"]["sessions"]) == ("a", 1)


@pytest.mark.parametrize("option", ["", "--standalone"])
def test_a_killed_server_is_started_again_and_no_change_is_lost(run: Snippet, option: str) -> None:
    found = run(f"""
        const options = {[option] if option else []};
        const client = await start(...options);
        const other = await start(...options);
        const told = [], exits = [];
        client.onDidChange(({{ changes, incomplete }}) => {{
          told.push(...changes.map(({{ revision }}) => revision));
          if (incomplete) told.push("incomplete");
        }});
        client.onDidChange(() => {{ throw new Error("a bad listener harms no other"); }});
        client.onExit(({{ signal }}) => exits.push(signal));
        await client.create("a", {{ active: true }});
        for (let number = 0; number < 3; number++) {{
          const pid = client.pid;
          process.kill(pid, "SIGKILL");
          await other.create(`while away ${{number}}`, {{ active: true }});
          await client.get("a");
          await other.addContext("a", "note", `after ${{number}}`);
        }}
        const {{ changes }} = await other.methods.changes({{ since: 0 }});
        const expected = changes.map(({{ revision }}) => revision);
        while (told.length < expected.length) await new Promise((next) => setTimeout(next, 20));
        const active = client.active.name;
        found({{ told, expected, exits, active, ends: [await client.stop(), await other.stop()] }});
    """)
    assert found["told"] == found["expected"]
    assert found["exits"] == [*["SIGKILL"] * 3, None]  # stop() ends the last one
    assert found["active"] == "while away 2"
    assert found["ends"] == [{"code": 0, "signal": None}] * 2


def test_changes_of_another_history_are_incomplete(run: Snippet) -> None:
    """As after the database was replaced by a copy that has gone other ways."""
    found = run("""
        import { execFileSync } from "node:child_process";
        const client = await start("--standalone");
        const batches = [];
        client.onDidChange((batch) => batches.push(batch));
        await client.create("a", { active: true });
        while (batches.length === 0) await new Promise((next) => setTimeout(next, 20));
        batches.length = 0;
        const { pid } = client;
        process.kill(pid, "SIGSTOP");
        const tables = ["session_server_changes", "session_server_history"];
        const script = tables.map((name) => `db.execute("UPDATE ${name} SET token = token + 1")`);
        execFileSync(command, ["-c", `import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    ${script.join("; ")}`, database]);
        process.kill(pid, "SIGKILL");
        await client.get("a");
        while (batches.length === 0) await new Promise((next) => setTimeout(next, 20));
        const { incomplete, changes, active } = batches[0];
        await client.create("b");
        while (batches.length === 1) await new Promise((next) => setTimeout(next, 20));
        found({ incomplete, changes, active: active.name, next: batches[1].changes[0].type });
        await client.stop();
    """)
    assert found == {"incomplete": True, "changes": [], "active": "a", "next": "created"}


def test_requests_of_the_server_get_a_reply(run: Snippet, node: str, example: Path) -> None:
    server = stand_in(example, capability=CAPABILITY)
    body = """
        const client = await start();
        const asked = [];
        for (const method of ["window/showMessageRequest", "workspace/configuration"])
          asked.push(await client.request("ask", method));
        found(asked);
        await client.stop();
    """
    assert run(body, node, str(server)) == [{"result": None}, {"code": -32601}]


def test_reads_are_sent_again_and_writes_are_not(run: Snippet, database: Path) -> None:
    found = run("""
        const client = await start("--standalone");
        await client.create("a");
        process.kill(client.pid, "SIGSTOP");
        const pending = [
          client.get("a"),
          client.create("b"),
          client.methods.addContext(
            { sessionName: "a", kind: "note", content: "x", identityKey: "k" }),
        ].map(failure);
        process.kill(client.pid, "SIGKILL");
        const [read, write, keyed] = await Promise.all(pending);
        await client.create("c");
        found({ read, write, keyed });
        await client.stop();
    """)
    assert found["read"]["resolved"]["name"] == "a"
    assert found["write"]["kind"] == "connectionLost"
    assert found["keyed"]["resolved"]["duplicate"] is False
    with stored(database) as sessions:
        assert {session.name for session in sessions.list_sessions()} == {"a", "c"}


def test_an_aborted_request_is_cancelled_at_the_server(run: Snippet) -> None:
    found = run("""
        const client = await start("--standalone");
        await client.create("a");
        process.kill(client.pid, "SIGSTOP");
        const controller = new AbortController();
        const { signal } = controller;
        // The server reads the cancellation with the requests, while it still has others to do.
        const before = Array.from({ length: 50 }, () => client.methods.search({ query: "x" }));
        const waiting = failure(client.methods.create({ name: "b" }, { signal }));
        await new Promise((next) => setTimeout(next, 50));
        controller.abort();
        const aborted = await waiting;
        const early = await failure(client.methods.create({ name: "c" }, { signal }));
        process.kill(client.pid, "SIGCONT");
        await Promise.all(before);
        const names = [];
        for await (const { name } of client.sessions()) names.push(name);
        found({ aborted, early, names });
        await client.stop();
    """)
    assert (found["aborted"]["kind"], found["early"]["kind"]) == ("cancelled", "cancelled")
    assert found["aborted"]["known"]
    assert found["names"] == ["a"]
