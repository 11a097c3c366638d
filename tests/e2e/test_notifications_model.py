"""The state rebuilt from notifications alone is the database's, whatever happens in which order.

Two servers and a foreign writer work on one file. After every step a client of each server is
read until the file's newest revision; its notifications since the start have to add up to what an
independent connection finds in the file.
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

NAMES = st.sampled_from(["a", "b", "c", "d"])
SERVERS = st.sampled_from([0, 1])


class Rebuilt:
    """Sessions, context and the active session, rebuilt from notifications."""

    def __init__(self) -> None:
        self.sessions: dict[int, str] = {}
        self.context: dict[int, int] = {}
        self.active: int | None = None
        self.heard = 0

    def hear(self, messages: list[Json]) -> None:
        for message in messages[self.heard :]:
            for change in message["changes"]:
                self._apply(change["type"], change)
            active = message["active"]
            assert self.active == (active and active["id"])
        self.heard = len(messages)

    def _apply(self, kind: str, change: Json) -> None:
        session = change["sessionId"]
        if kind in {"created", "renamed"}:
            assert (session in self.sessions) is (kind == "renamed")
            self.sessions[session] = change["sessionName"]
        elif kind == "deleted":
            assert self.sessions.pop(session) == change["sessionName"]
            self.context = {entry: of for entry, of in self.context.items() if of != session}
            self.active = None if self.active == session else self.active
        elif kind == "activated":
            assert self.active is None, "two were active"
            self.active = session
        elif kind == "deactivated":
            assert self.active == session
            self.active = None
        elif kind == "contextAdded":
            self.context[change["contextId"]] = session
        elif kind == "contextRemoved":
            assert self.context.pop(change["contextId"]) == session
        else:
            assert (kind, session in self.sessions) == ("updated", True)


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
                client = Client.opened(command)
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

        @rule(server=SERVERS, name=NAMES, active=st.booleans())
        def create(self, server: int, name: str, active: bool) -> None:
            self.ask(server, "create", name=name, active=active)

        @rule(server=SERVERS, name=NAMES, active=st.booleans())
        def set_active(self, server: int, name: str, active: bool) -> None:
            self.ask(server, "setActive", name=name, active=active)

        @rule(server=SERVERS, name=NAMES)
        def add_context(self, server: int, name: str) -> None:
            self.ask(server, "addContext", sessionName=name, kind="note", content="x")

        @rule(server=SERVERS, name=NAMES, updates=st.sampled_from([{}, {"active": 1}, {"k": None}]))
        def update(self, server: int, name: str, updates: Json) -> None:
            self.ask(server, "updateMetadata", name=name, updates=updates)

        @rule(server=SERVERS, name=NAMES, purge=st.booleans())
        def delete(self, server: int, name: str, purge: bool) -> None:
            self.ask(server, "delete", name=name, purgeContext=purge)

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
                "SELECT id, session_id FROM session_context"
                " WHERE session_id IN (SELECT id FROM sessions)"
            )
            newest = group.foreign.revision()
            for client, rebuilt in zip(group.clients, group.rebuilt, strict=True):
                group.run(client.until(newest))
                rebuilt.hear(client.notified)
                assert rebuilt.sessions == {row[0]: row[1] for row in rows}
                assert rebuilt.context == dict(context)
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
