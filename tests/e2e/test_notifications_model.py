"""The state rebuilt from notifications alone is the database's, whatever happens in which order.

Two servers and a foreign writer work on one file. After every step a client of each server is
read until the file's newest revision; its notifications since the start have to add up to what an
independent connection finds in the file: sessions, context, the active session and bindings. The
context that comes with a new session has no changes of its own, so it is asked for.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from support.client import Client
from support.foreign import ForeignWriter
from support.messages import Json
from tenets_session_server.storage.sqlite.hidden_context import VISIBLE

NAMES = st.sampled_from(["a", "b", "c", "d"])
SERVERS = st.sampled_from([0, 1])
FOLDERS = ["/nowhere/app", "/nowhere/app/sub"]  # those of each client
BOUND = st.sampled_from(["/nowhere", *FOLDERS, "/nowhere/else", "vscode-remote://x/nowhere/app"])
ENTRIES = st.integers(0, 10)


class Rebuilt:
    """Sessions, context, the active session and bindings, rebuilt from notifications.

    ``unknown`` are the sessions whose context has to be asked for.
    """

    def __init__(self) -> None:
        self.sessions: dict[int, str] = {}
        self.context: dict[int, int] = {}
        self.active: int | None = None
        self.bindings: dict[str, str] = {}
        self.unknown: set[int] = set()
        self.heard = 0

    def hear(self, messages: list[Json]) -> None:
        for message in messages[self.heard :]:
            for change in message["changes"]:
                self._apply(change["type"], change)
            active = message["active"]
            assert self.active == (active and active["id"])
        if len(messages) > self.heard:  # those before may know of later bindings
            currents = message.get("currents") or [
                {"folder": folder, "session": active, "binding": None} for folder in FOLDERS
            ]
            shown = [(one["folder"], one["session"] and one["session"]["id"]) for one in currents]
            assert shown == [(folder, self.current(folder)) for folder in FOLDERS]
            concerned = any(self._binding(folder) for folder in FOLDERS)
            assert concerned is ("currents" in message)
        self.heard = len(messages)

    def current(self, folder: str) -> int | None:
        bound = self._binding(folder)
        return self.active if bound is None else bound

    def _binding(self, folder: str) -> int | None:
        ids = {name: session for session, name in self.sessions.items()}
        while folder:
            if (name := self.bindings.get(folder)) in ids:
                return ids[str(name)]
            folder = folder.rpartition("/")[0]
        return None

    def _apply(self, kind: str, change: Json) -> None:
        session = change["sessionId"]
        if kind.startswith("context"):
            self._apply_to_context(kind, change)
        elif kind == "restored":  # the session, or context that a reset had removed
            self.sessions.setdefault(session, change["sessionName"])
            assert self.sessions[session] == change["sessionName"]
            self.unknown.add(session)
        elif kind in {"created", "renamed"}:
            assert (session in self.sessions) is (kind == "renamed")
            before, name = self.sessions.get(session), change["sessionName"]
            self.bindings = {
                folder: name if bound == before else bound
                for folder, bound in self.bindings.items()
            }
            self.sessions[session] = name
            if kind == "created":
                self.unknown.add(session)
        elif kind == "bound":
            self.bindings.pop(change["folder"], None)
            if change["sessionName"] is not None:
                self.bindings[change["folder"]] = change["sessionName"]
        elif kind in {"deleted", "reset"}:
            self.context = {entry: of for entry, of in self.context.items() if of != session}
            if kind == "deleted":
                assert self.sessions.pop(session) == change["sessionName"]
                self.unknown.discard(session)
                self.active = None if self.active == session else self.active
            else:
                assert self.active in {None, session}, "two were active"
                self.active = session
        elif kind in {"activated", "deactivated"}:
            assert self.active == (None if kind == "activated" else session)
            self.active = session if kind == "activated" else None
        else:
            assert (kind, session in self.sessions) == ("updated", True)

    def _apply_to_context(self, kind: str, change: Json) -> None:
        session, entry = change["sessionId"], change["contextId"]
        if change["sessionName"] is None:
            assert session not in self.sessions
        elif kind == "contextAdded":
            self.context[entry] = session
        elif session in self.unknown:
            self.context.pop(entry, None)
        elif kind == "contextUpdated":
            assert self.context[entry] == session
        else:
            assert (kind, self.context.pop(entry)) == ("contextRemoved", session)


class Group:
    """The processes, which last for all examples."""

    def __init__(self, database: Path, *options: str) -> None:
        self.database, self.options = database, options
        self.loop = asyncio.new_event_loop()
        self.clients: list[Client] = []
        self.rebuilt = [Rebuilt(), Rebuilt()]

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tenets_session_server", "--database", str(self.database)]
        command += ["--synchronous", "normal", *self.options]
        with ExitStack() as stack:
            stack.callback(self.loop.close)
            clients = AsyncExitStack()
            stack.callback(lambda: self.run(clients.aclose()))
            for _ in self.rebuilt:
                client = Client.opened(command, initializationOptions={"folders": FOLDERS})
                self.clients.append(self.run(clients.enter_async_context(client)))
            self.foreign = stack.enter_context(ForeignWriter(self.database))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)


def machine(group: Group) -> type[RuleBasedStateMachine]:
    """Return the rules, for these processes."""

    class LiveMachine(RuleBasedStateMachine):
        def ask(self, server: int, verb: str, **params: object) -> None:
            group.run(group.clients[server].call(verb, params))

        @initialize(server=SERVERS)
        def forget_the_last_example(self, server: int) -> None:
            self.ask(server, "deleteAll")
            self.ask(server, "emptyTrash")

        @rule(server=SERVERS, name=NAMES, active=st.booleans())
        def create(self, server: int, name: str, active: bool) -> None:
            self.ask(server, "create", name=name, active=active)

        @rule(server=SERVERS, name=NAMES, active=st.booleans())
        def set_active(self, server: int, name: str, active: bool) -> None:
            self.ask(server, "setActive", name=name, active=active)

        @rule(server=SERVERS, name=NAMES)
        def add_context(self, server: int, name: str) -> None:
            self.ask(server, "addContext", sessionName=name, kind="note", content="x")

        @rule(server=SERVERS, name=NAMES, key=st.sampled_from(["1", "2"]), replace=st.booleans())
        def add_once(self, server: int, name: str, key: str, replace: bool) -> None:
            content = f"{server} {replace}"
            note = {"kind": "note", "content": content, "identityKey": key, "replace": replace}
            self.ask(server, "addContext", sessionName=name, **note)

        @rule(server=SERVERS)
        def add_to_current(self, server: int) -> None:
            self.ask(server, "addContext", kind="note", content="here")

        def entry(self, number: int) -> int:
            rows = group.foreign.rows("SELECT id FROM session_context ORDER BY id")
            return rows[number % len(rows)][0] if rows else number

        @rule(server=SERVERS, number=ENTRIES, content=st.sampled_from(["x", "y"]))
        def update_context(self, server: int, number: int, content: str) -> None:
            self.ask(server, "updateContext", id=self.entry(number), content=content)

        @rule(server=SERVERS, number=ENTRIES)
        def remove_context(self, server: int, number: int) -> None:
            self.ask(server, "removeContext", id=self.entry(number))

        @rule(server=SERVERS, name=NAMES, new=NAMES)
        def rename(self, server: int, name: str, new: str) -> None:
            self.ask(server, "rename", name=name, newName=new)

        @rule(server=SERVERS, name=NAMES, new=NAMES, options=st.tuples(*[st.booleans()] * 3))
        def copy(self, server: int, name: str, new: str, options: tuple[bool, ...]) -> None:
            given = dict(zip(("overwrite", "includeContext", "active"), options, strict=True))
            self.ask(server, "copy", name=name, newName=new, **given)

        @rule(server=SERVERS, name=NAMES)
        def reset(self, server: int, name: str) -> None:
            self.ask(server, "reset", name=name)

        @rule(server=SERVERS, verb=st.sampled_from(["tenets/session.exit", "resume"]))
        def leave_and_resume(self, server: int, verb: str) -> None:
            self.ask(server, verb)

        @rule(server=SERVERS, name=NAMES | st.none(), folder=BOUND)
        def bind(self, server: int, name: str | None, folder: str) -> None:
            self.ask(server, "bind", name=name, folder=folder)

        @rule(server=SERVERS, verb=st.sampled_from(["pin", "unpin"]))
        def pin(self, server: int, verb: str) -> None:
            self.ask(server, verb, uri="file:///nowhere/app/a%20b.py")

        @rule(server=SERVERS, name=NAMES, updates=st.sampled_from([{}, {"active": 1}, {"k": None}]))
        def update(self, server: int, name: str, updates: Json) -> None:
            self.ask(server, "updateMetadata", name=name, updates=updates)

        @rule(server=SERVERS, name=NAMES, purge=st.booleans())
        def delete(self, server: int, name: str, purge: bool) -> None:
            self.ask(server, "delete", name=name, purgeContext=purge)

        @rule(server=SERVERS, back=st.integers(0, 3), new=NAMES | st.none(), replace=st.booleans())
        def restore(self, server: int, back: int, new: str | None, replace: bool) -> None:
            rows = group.foreign.rows("SELECT id FROM session_server_trash ORDER BY id DESC")
            if rows:
                item = rows[back % len(rows)][0]
                self.ask(server, "restore", id=item, newName=new, replace=replace)

        @rule(
            server=SERVERS,
            names=st.lists(NAMES, unique=True, max_size=3),
            conflict=st.sampled_from(["error", "skip", "rename", "overwrite"]),
        )
        def import_sessions(self, server: int, names: list[str], conflict: str) -> None:
            time = {"createdAt": "2026-11-20T08:00:00+00:00"}
            note = {"kind": "note", "content": "imported", "identityKey": "1", **time}
            sessions = [{"name": name, "context": [note, note], **time} for name in names]
            document = {"format": "tenets-sessions", "version": 1, "sessions": sessions}
            self.ask(server, "import", content=json.dumps(document), onConflict=conflict)

        @rule(server=SERVERS)
        def empty_trash(self, server: int) -> None:
            self.ask(server, "emptyTrash")

        @rule(names=st.lists(NAMES, min_size=2, max_size=6))
        def race(self, names: list[str]) -> None:
            """Both servers are asked at once, and either may be first."""

            async def both() -> None:
                calls = (
                    group.clients[number % 2].call("setActive", {"name": name})
                    for number, name in enumerate(names[:2])
                )
                await asyncio.gather(*calls)

            group.run(both())

        @rule(name=NAMES, active=st.sampled_from([None, True, 0, "yes"]))
        def foreign_create(self, name: str, active: object) -> None:
            if (name,) not in group.foreign.rows("SELECT name FROM sessions"):
                group.foreign.create(name, {"active": active})

        @rule(name=NAMES, active=st.booleans())
        def foreign_set_active(self, name: str, active: bool) -> None:
            if (name,) in group.foreign.rows("SELECT name FROM sessions"):
                group.foreign.set_active(name, active)

        @rule(name=NAMES)
        def foreign_context(self, name: str) -> None:
            group.foreign.add_context(name, "theirs")

        @rule(name=NAMES)
        def foreign_delete(self, name: str) -> None:
            group.foreign.delete(name)

        @rule(name=NAMES)
        def foreign_rename(self, name: str) -> None:
            group.foreign.execute(
                "UPDATE OR IGNORE sessions SET name = 'd' WHERE name = ?", (name,)
            )

        @rule(name=NAMES)
        def foreign_rollback(self, name: str) -> None:
            with group.foreign.transaction("ROLLBACK"):
                group.foreign.add_context(name, "never")
                group.foreign.delete(name)

        @invariant()
        def notifications_add_up(self) -> None:
            rows = group.foreign.rows("SELECT id, name, metadata FROM sessions")
            active = [row[0] for row in rows if json.loads(row[2]).get("active")]
            context = group.foreign.rows(
                "SELECT id, session_id FROM session_context AS c"
                f" WHERE session_id IN (SELECT id FROM sessions) AND {VISIBLE}"
            )
            bindings = group.foreign.rows("SELECT folder, name FROM session_server_bindings")
            newest = group.foreign.revision()
            for client, rebuilt in zip(group.clients, group.rebuilt, strict=True):
                group.run(client.until(newest))
                rebuilt.hear(client.notified)
                for session in rebuilt.unknown:
                    page = group.run(client.session("listContext", sessionId=session))
                    assert page["revision"] == newest
                    rebuilt.context |= {entry["id"]: session for entry in page["entries"]}
                rebuilt.unknown.clear()
                assert rebuilt.sessions == {row[0]: row[1] for row in rows}
                assert rebuilt.context == dict(context)
                assert rebuilt.bindings == dict(bindings)
                assert [rebuilt.active] == (active or [None])

    return LiveMachine


@pytest.mark.parametrize("options", [[], ["--standalone"]], ids=["shared", "standalone"])
def test_the_state_rebuilt_from_notifications_is_the_databases(
    tmp_path: Path, options: list[str]
) -> None:
    with Group(tmp_path / "tenets.db", *options) as group:
        run_state_machine_as_test(
            machine(group),
            settings=settings(
                max_examples=25,
                stateful_step_count=30,
                suppress_health_check=list(HealthCheck),
            ),
        )
