"""Searching: what is a hit, in which order; what a search looks at where there is much."""

from __future__ import annotations

from pathlib import Path
from threading import enumerate as enumerate_threads
from typing import Any

import pytest

from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.host import Host
from support.modes import both_modes
from support.searching import found, found_in_the_end, names
from support.waiting import eventually
from tenets_session_server.errors import InterruptedQueryError
from tenets_session_server.storage.search_query import Scope
from tenets_session_server.storage.sqlite import query_timeout, search, search_matches
from tenets_session_server.storage.sqlite.hidden_context import FIRST

pytestmark = pytest.mark.asyncio


@both_modes
async def test_ones_own_newest_note_is_found_at_once(server_command: list[str]) -> None:
    async with Client.opened(server_command) as client:
        for number in range(20):
            added = await client.add_note("fix login", f"note number{number}")
            result = await client.session("search", query=f"number{number} ")
            (hit,) = result["hits"]
            assert hit["entry"]["id"] == added["id"]
            assert hit["session"] == {"id": 1, "name": "fix login"}
            assert (result["revision"], result["state"]) == (added["revision"], added["state"])
            assert result["isIncomplete"] is False


async def test_a_search_among_writes_that_share_a_commit_sees_those_before_it(
    database: Path,
) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        note = {"sessionName": "a", "kind": "note"}
        replies = await client.pipelined(
            ("addContext", {**note, "content": "first"}),
            ("search", {"query": "first"}),
            ("addContext", {**note, "content": "second first"}),
            ("search", {"query": "first"}),
        )
        assert [len(reply["result"]["hits"]) for reply in replies[1::2]] == [1, 2]
        assert [reply["result"]["isIncomplete"] for reply in replies[1::2]] == [False, False]
        assert replies[3]["result"]["state"] == replies[2]["result"]["state"]


async def test_names_of_sessions_are_found(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.create("fix loginPage 👍")
        await client.create("other")
        await client.add_note("other", "login page")
        result = await client.session("search", query="page")
        name, entry = result["hits"]
        assert name == {
            "session": {"id": 1, "name": "fix loginPage 👍"},
            "entry": None,
            "snippet": "fix loginPage 👍",
            "matches": [[9, 13]],
            "score": name["score"],
        }
        assert entry["entry"]["preview"] == "login page"
        assert name["score"] > entry["score"]
        assert await names(client, "page", kind="note") == []
        assert await names(client, "page", author="pytest") == []
        assert await names(client, "page", sessionName="other") == []
        assert await names(client, "page", sessionId=1) == ["fix loginPage 👍"]
        await client.session("rename", name="fix loginPage 👍", newName="done")
        assert (await names(client, "page"), await names(client, "done")) == ([], ["done"])
        await client.session("delete", name="done")
        assert await names(client, "done") == []


async def test_only_what_is_asked_for_is_found(database: Path) -> None:
    async with Host.opened(database) as host:
        client = host.connect()
        await client.initialize(initializationOptions={"author": "me"})
        await client.add_note("a", "token in a")
        await client.add_note("b", "token in b", kind="code")
        with ForeignWriter(database) as foreign:
            foreign.add_context("b", "token of theirs")
        author = "me"
        assert await found(client, "token", sessionName="a") == ["token in a"]
        assert await found(client, "token", kind="code") == ["token in b"]
        assert len(await found(client, "token", author=author)) == 2
        assert await found(client, "token", author=author, kind="note") == ["token in a"]
        assert await found(client, "token", sessionId=2, author="nobody") == []
        # The words of an entry only: neither its session nor its kind.
        assert await found(client, "code") == await found(client, "s1") == []
        with pytest.raises(ResponseError, match="no session"):
            await found(client, "token", sessionName="no such")


async def test_the_best_is_first_and_of_equals_the_newest(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "token " + "and many other words " * 20)
        await client.add_note("a", "token token")
        for number in range(3):
            await client.add_note("a", f"token {number}")
            await client.add_note("a", f"nothing {number}")
        ranked = await found(client, "token")
        assert ranked[0] == "token token"
        assert ranked[1:4] == ["token 2", "token 1", "token 0"]
        assert ranked[4].startswith("token and many")
        result = await client.session("search", query="token")
        scores = [hit["score"] for hit in result["hits"]]
        assert scores == sorted(scores, reverse=True)
        assert result["isIncomplete"] is False
        result = await client.session("search", query="token", limit=2)
        assert [len(result["hits"]), result["isIncomplete"]] == [2, True]


@pytest.mark.parametrize("limit", [0, 201, "5", 1.5])
async def test_the_limit_is_1_to_200(database: Path, limit: object) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        with pytest.raises(ResponseError, match="an integer from 1 to 200"):
            await client.session("search", query="x", limit=limit)
        assert (await client.session("search", query="x", limit=200))["hits"] == []


async def test_of_many_matches_the_newest_are_ranked(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "x x x the oldest")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("a", 2000)
        while host.session_db.db.run("SELECT count(*) FROM session_server_search") != [(2001,)]:
            await client.session("search", query="x")
        result = await client.session("search", query="x", limit=200)
        assert result["isIncomplete"] is True
        assert {hit["entry"]["preview"] for hit in result["hits"]} == {"x"}
        result = await client.session("search", query="oldest")
        assert [len(result["hits"]), result["isIncomplete"]] == [1, False]


async def test_large_entries_are_found_by_their_beginning(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(3):
            with ForeignWriter(database) as foreign:
                await client.create(f"{number}")
                padding = "padding " * 10_000
                content = f"begins {padding} middle {padding * 40} ends"
                foreign.add_context(f"{number}", content)
        assert len(await found_in_the_end(client, "begins")) == 3
        result = await client.session("search", query="begins")
        assert [hit["matches"] for hit in result["hits"]] == [[[0, 6]]] * 3
        assert all(hit["entry"]["size"] > 3_000_000 for hit in result["hits"])
        result = await client.session("search", query="middle")
        assert [hit["matches"] for hit in result["hits"]] == [[]] * 3
        assert (await client.session("search", query="ends"))["hits"] == []


# -- where there is much ----------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["delete", "reset"])
async def test_much_in_the_trash_hides_nothing_else(
    server_command: list[str], database: Path, verb: str
) -> None:
    async with Client.opened(server_command) as client:
        for number in range(30):
            await client.add_note("old", f"common old {number}")
        await client.create("large")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("large", 12_000)
            foreign.execute("UPDATE session_context SET content = 'common' WHERE content = 'x'")
        assert await found_in_the_end(client, "nothing such") == []
        await client.add_note("large", "common before")
        await client.session(verb, name="large")
        while not (await client.session("listTrash"))["items"][0]["entries"]:
            pass
        assert len(await found(client, "common", limit=200)) == 30
        await client.add_note("large", "common after")
        assert len(await found(client, "common", limit=200)) == 31
        assert await found(client, "common", sessionName="large") == ["common after"]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def test_a_query_that_takes_too_long_looks_at_the_newest(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked = search_matches.Matches._ranked

    def endless(
        self: search_matches.Matches, expression: str, scope: Scope, lowest: int, **how: bool
    ) -> Any:
        if lowest == FIRST:
            self._database.run(ENDLESS)
        return ranked(self, expression, scope, lowest, **how)

    monkeypatch.setattr(search_matches.Matches, "_ranked", endless)
    monkeypatch.setattr(search_matches, "AGAIN", 60.0)
    monkeypatch.setattr(search_matches, "_NEWEST", search_matches._NEWEST.replace("20000", "3"))
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(5):
            await client.add_note("a", f"x {number}")
        note = {"sessionName": "a", "kind": "note"}
        added, reply, after = await client.pipelined(
            ("addContext", {**note, "content": "x kept"}),
            ("search", {"query": "x ", "limit": 200}),
            ("addContext", {**note, "content": "x too"}),
        )
        hits = reply["result"]["hits"]
        assert [hit["snippet"] for hit in hits] == ["x kept", "x 4", "x 3", "x 2"]
        assert reply["result"]["isIncomplete"] is True
        kept = await client.session(
            "listContext", ids=[added["result"]["id"], after["result"]["id"]]
        )
        assert [entry["content"] for entry in kept["entries"]] == ["x kept", "x too"]


async def test_what_was_found_before_a_query_is_interrupted_is_the_result(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(5):
            await client.add_note("a", f"x {number}")
        # The newest two, and then it does not end.
        rows = ENDLESS.replace("count(*)", "6 - i, -1.0, 1") + " WHERE i < 3"
        monkeypatch.setitem(search_matches._MATCHES, (False, True), rows)
        result = await client.session("search", query="x ")
        assert [hit["snippet"] for hit in result["hits"]] == ["x 4", "x 3"]
        assert result["isIncomplete"] is True


@pytest.mark.parametrize(("sessions", "size"), [(9, 1500), (40, 900)])
async def test_many_sessions_in_the_trash_hide_nothing_else(
    database: Path, sessions: int, size: int
) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(5):
            await client.add_note("old", f"x old {number}")
        with ForeignWriter(database) as foreign:
            for number in range(sessions):
                await client.create(f"large {number}")
                foreign.add_much_context(f"large {number}", size)
        for number in range(sessions):
            await client.session("delete", name=f"large {number}")
        result = await client.session("search", query="x ")
        while result["isIncomplete"] and not result["hits"]:
            result = await client.session("search", query="x ")
        assert len(await found_in_the_end(client, "x ")) == 5


async def test_names_that_take_too_long_are_left_out(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("token", "token")
        monkeypatch.setattr(search, "_NAMES", ENDLESS)
        result = await client.session("search", query="token")
        assert [hit["entry"]["preview"] for hit in result["hits"]] == ["token"]
        assert result["isIncomplete"] is True


async def test_each_query_that_takes_too_long_is_interrupted(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_timeout, "LINGER", 0.0)
    async with Host.opened(database) as host:
        db = host.session_db.db
        for _ in range(3):
            with pytest.raises(InterruptedQueryError), db.interrupted_after(0.01):
                db.run(ENDLESS)
            # Its thread ends; the next query has another one.
            await eventually(
                lambda: all(one.name != "query timeout" for one in enumerate_threads())
            )


async def test_what_is_interrupted_loses_no_transaction(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "first")
        db = host.session_db.db
        with db.transaction():
            db.run("UPDATE session_context SET content = 'changed'")
            with pytest.raises(InterruptedQueryError), db.interrupted_after(0.001):
                db.run(ENDLESS)
            assert db.in_transaction
            with db.interrupted_after(0.0):
                pass
            assert db.run("SELECT count(*) FROM session_context") == [(1,)]
        assert await found(client, "changed") == ["changed"]


async def test_a_letter_in_a_large_database_is_a_word(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "token")
        assert len(await found(client, "t")) == 1
        monkeypatch.setattr(search, "ONE_LETTER", 0)
        result = await client.session("search", query="t")
        assert [result["hits"], result["isIncomplete"]] == [[], True]
        result = await client.session("search", query="t ")
        assert [result["hits"], result["isIncomplete"]] == [[], False]


async def test_what_remains_of_a_large_session_in_the_trash_is_found(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_matches, "WALKED", 5)
    monkeypatch.setattr(
        search_matches, "_LARGE", search_matches._LARGE.replace(str(search_matches.LARGE), "2")
    )
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(3):
            await client.add_note("old", f"x old {number}")
        for number in range(20):
            await client.add_note("a", f"x hidden {number}")
        await client.session("reset", name="a")
        await client.add_note("a", "x between")
        for number in range(20):
            await client.add_note("b", f"x hidden {number}")
        assert await found_in_the_end(client, "nothing such") == []
        _, reply = await client.pipelined(("delete", {"name": "b"}), ("search", {"query": "x "}))
        assert len(reply["result"]["hits"]) == 4  # the item is not counted yet
        await client.add_note("a", "x after")
        expected = ["x after", "x between", "x old 2", "x old 1", "x old 0"]
        assert sorted(await found(client, "x ")) == sorted(expected)
        assert await found(client, "x ", sessionName="a") == ["x after", "x between"]
        assert len(await found(client, "x ", kind="note")) == 5
