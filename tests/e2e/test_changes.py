"""``tenets/session.changes``: what a client has missed while it was away."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.messages import Json
from support.modes import both_modes

pytestmark = pytest.mark.asyncio(loop_scope="module")


@both_modes
async def test_changes_returns_what_was_notified(server_command: list[str], database: Path) -> None:
    async with Client.opened(server_command) as live, Client.opened(server_command) as away:
        with ForeignWriter(database) as foreign:
            for number in range(7):
                await live.call("create", {"name": f"s{number}", "active": True})
                foreign.add_context(f"s{number}", "x")
                foreign.set_active("s0")
        newest = (await away.session("changes", since=0))["revision"]
        await live.until(newest)
        found: list[Json] = []
        while True:
            page = await away.session(
                "changes", since=found[-1]["revision"] if found else 0, limit=3
            )
            found += page["changes"]
            assert page["revision"] == newest
            assert page["truncated"] is (found[-1]["revision"] < newest)
            if not page["truncated"]:
                break
            assert len(page["changes"]) == 3
        assert found == live.changes
        nothing = {"changes": [], "revision": newest, "truncated": False}
        assert await away.session("changes", since=newest) == nothing


async def test_a_revision_that_is_no_longer_kept_is_an_error(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("a", 10_100)
        with pytest.raises(ResponseError) as caught:
            await editor.session("changes", since=0)
        assert caught.value.data is not None
        oldest = caught.value.data["oldest"]
        assert 10_000 <= 10_101 - oldest + 1 < 10_100
        for since, works in (
            (oldest - 2, False),
            (oldest - 1, True),
            (10_101, True),
            (10_102, False),
        ):
            if works:
                page = await editor.session("changes", since=since, limit=1)
                assert page["revision"] == 10_101
                assert [one["revision"] for one in page["changes"]] == [since + 1][: 10_101 - since]
            else:
                with pytest.raises(ResponseError) as caught:
                    await editor.session("changes", since=since)
                assert caught.value.code == -32803
                data = {"kind": "revisionExpired", "retryable": False, "oldest": oldest}
                assert caught.value.data == data


async def test_a_new_database_has_no_changes(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        page = {"changes": [], "revision": 0, "truncated": False}
        assert await editor.session("changes", since=0) == page


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "since is required: expected a revision, 0 or more"),
        ({"since": -1}, "since: expected a revision, 0 or more"),
        ({"since": "1"}, "since: expected a revision, 0 or more, got str"),
        ({"since": 2**63}, "since: expected a revision, 0 or more"),
        ({"since": 0, "limit": 0}, "limit: expected an integer from 1 to 1000"),
    ],
)
async def test_wrong_params_are_errors(shared: Client, params: Json, says: str) -> None:
    with pytest.raises(ResponseError, match=says) as caught:
        await shared.session("changes", **params)
    assert caught.value.code == -32602
