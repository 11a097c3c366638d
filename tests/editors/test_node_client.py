"""The Node example's client, as an extension's author would use it.

Each test is a small module, run by Node beside a copy of the example; the last line that it prints
is what it found.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from editors.node_support import (
    CAPABILITY,
    Snippet,
    stand_in,
)
from editors.stored import stored
from support.messages import Json

pytestmark = pytest.mark.editors


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
    assert plain(found["created"]).keys() == {"id", "name", "createdAt", "active", "metadata"}
    assert (found["entry"]["size"], found["entry"]["sessionCreated"]) == (7, True)
    assert plain(found["cached"]) == plain(found["activated"])
    assert found["activated"]["active"] is True
    assert found["updated"]["metadata"] == {"n": None, "m": [2]}
    assert plain(found["again"]) == plain(found["updated"])
    assert (found["moved"], found["none"]) == ("c", None)
    assert found["names"] == ["a", "b", "c"]
    assert [session["name"] for session in found["page"]["sessions"]] == ["c", "b"]
    assert isinstance(found["page"]["nextCursor"], str)
    assert (found["unknown"], found["deleted"]) == (None, [True, False])
    assert found["capability"]["protocolVersion"] == 1
    assert found["capability"]["warnings"] == []
    assert "tenets/session.create" in found["capability"]["methods"]
    assert found["status"] == {"code": 0, "signal": None}

    with stored(database) as sessions:
        assert [session.name for session in sessions.list_sessions()] == ["b", "a"]
        active = sessions.get_active_session()
        assert active is not None
        assert (active.name, active.metadata["m"]) == ("a", [2])


def plain(session: Json) -> Json:
    """Return a session without what only the result of a request has."""
    return {
        name: value
        for name, value in session.items()
        if name not in {"created", "revision", "state"}
    }


def test_the_client_searches_and_undoes(run: Snippet, database: Path) -> None:
    found = run("""
        const client = await start();
        await client.addContext("fix login", "note", "The refresh_token is used twice.");
        const hits = await client.search("token", { limit: 1 });
        const nothing = await client.search("tok ");
        await client.delete("fix login");
        const gone = await client.search("token");
        const item = await client.undo();
        const back = await client.search("token");
        const empty = await client.undo();
        found({ hits, nothing, gone, item, back, empty, status: await client.stop() });
    """)
    ((hit,), item) = (found["hits"], found["item"])
    assert (hit["session"]["name"], hit["snippet"]) == (
        *("fix login", "The refresh_token is used twice."),
    )
    assert hit["matches"] == [[12, 17]]
    assert (found["nothing"], found["gone"], found["empty"]) == ([], [], None)
    assert (item["names"], item["entries"]) == (["fix login"], 1)
    assert found["back"] == found["hits"]
    with stored(database) as sessions:
        assert [session.name for session in sessions.list_sessions()] == ["fix login"]


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
    with stored(database) as sessions:
        assert sessions.list_sessions() == []


def test_a_new_client_knows_what_is_active(run: Snippet, database: Path) -> None:
    with stored(database) as sessions:
        sessions.create_session("from before")
        sessions.set_active("from before", True)
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
    with stored(database) as sessions:
        record = sessions.get_session("m")
        assert record is not None
        assert record.metadata == METADATA


def test_active_is_up_to_date_when_a_change_is_reported(
    run: Snippet, node: str, example: Path
) -> None:
    server = stand_in(example, capability=CAPABILITY)
    found = run(
        """
        const client = await start();
        const before = client.active;
        const notified = [];
        client.onDidChange(() => { throw new Error("a bad listener harms no other"); });
        client.onDidChange(({ revision, changes }) => notified.push([
          revision, changes.map(({ type }) => type), client.active?.name ?? null,
        ]));
        client.onDidChange(() => notified.push("ignored")).dispose();
        await client.request("change", { revision: 7, changes: [{ type: "activated" }],
                                         active: { id: 1, name: "theirs" } });
        await client.request("change", { revision: 8, changes: [], active: null });
        const { code } = await client.stop();
        found({ before, notified, code });
        """,
        *(node, str(server)),
    )
    assert found == {
        "before": None,
        "notified": [[7, ["activated"], "theirs"], [8, [], None]],
        "code": 0,
    }


def test_clients_are_notified_of_other_clients_commits(run: Snippet) -> None:
    found = run("""
        const [one, two] = [await start(), await start()];
        const notified = (client, name) =>
          new Promise((resolve) => {
            const listening = client.onDidChange((event) => {
              if (event.active?.name === name) {
                listening.dispose();
                const types = event.changes.map((change) => change.type);
                resolve({ types, kept: client.active.name });
              }
            });
          });
        const first = notified(two, "a");
        await one.create("a", { active: true });
        const second = notified(one, "b");
        const here = await first;
        await two.create("b", { active: true });
        found([here, await second]);
        await Promise.all([one.stop(), two.stop()]);
    """)
    assert found == [
        {"types": ["created", "activated"], "kept": "a"},
        {"types": ["deactivated", "created", "activated"], "kept": "b"},
    ]
