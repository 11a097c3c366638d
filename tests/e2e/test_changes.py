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
            assert page["revision"] == found[-1]["revision"]
            assert page["truncated"] is (found[-1]["revision"] < newest)
            if not page["truncated"]:
                break
            assert len(page["changes"]) == 3
        assert found == live.changes
        nothing = {"changes": [], "revision": newest, "state": page["state"], "truncated": False}
        assert await away.session("changes", since=newest) == nothing
        assert await away.session("changes") == nothing
        assert live.state == page["state"]


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
                assert page["revision"] == min(since + 1, 10_101)
                assert [one["revision"] for one in page["changes"]] == [since + 1][: 10_101 - since]
            else:
                with pytest.raises(ResponseError) as caught:
                    await editor.session("changes", since=since)
                assert caught.value.code == -32803
                now = await editor.session("changes")
                assert caught.value.data == {
                    "kind": "revisionExpired",
                    "retryable": False,
                    "oldest": oldest,
                    "revision": 10_101,
                    "state": now["state"],
                }


async def test_a_new_database_has_no_changes(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        state = editor.state
        page = {"changes": [], "revision": 0, "state": state, "truncated": False}
        assert await editor.session("changes", since=0) == page
        assert await editor.session("changes", sinceState=state) == page
        await editor.create("a")
        assert len((await editor.session("changes", sinceState=state))["changes"]) == 1


async def test_pages_go_on_from_the_state_of_the_page_before(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        state = editor.state
        for number in range(7):
            await editor.create(f"s{number}")
        revisions: list[int] = []
        truncated = True
        while truncated:
            page = await editor.session("changes", sinceState=state, limit=3)
            revisions += [one["revision"] for one in page["changes"]]
            state, truncated = page["state"], page["truncated"]
        assert revisions == list(range(1, 8))
        assert state == (await editor.session("stats"))["state"]
        await editor.until(7)
        assert state == editor.state


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.timings(SETTLED=0.1, CONSTANT_SIZE=0.4)
async def test_after_a_restored_backup_no_state_gives_changes_of_another_history(
    server_command: list[str], database: Path, tmp_path: Path, in_place: bool
) -> None:
    backup = tmp_path / "backup.db"
    async with Client.opened(server_command) as editor:
        for number in range(5):
            await editor.create(f"before {number}")
        with ForeignWriter(database) as foreign:
            foreign.copy_to(backup)
        kept = (await editor.session("changes"))["state"]
        for number in range(5):
            await editor.create(f"lost {number}")
        lost = (await editor.session("changes"))["state"]
    if in_place:
        with ForeignWriter(database) as foreign:
            foreign.restore_from(backup)
    else:
        backup.replace(database)
    with ForeignWriter(database) as foreign:
        for number in range(7):
            foreign.create(f"after {number}")
    async with Client.opened(server_command) as editor:
        now = await editor.session("changes")
        assert now["revision"] == 12
        for state in (lost, "10.0", "of another server"):
            with pytest.raises(ResponseError) as caught:
                await editor.session("changes", sinceState=state)
            assert caught.value.data == {
                "kind": "revisionExpired",
                "retryable": False,
                "oldest": 1,
                "revision": 12,
                "state": now["state"],
            }
        page = await editor.session("changes", sinceState=kept)
        assert [one["sessionName"] for one in page["changes"]] == [f"after {n}" for n in range(7)]


async def test_a_backup_restored_in_place_is_noticed_also_when_the_revision_has_grown(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    async with Client.opened(server_command) as editor:
        await editor.create("before")
        with ForeignWriter(database) as foreign:
            foreign.copy_to(backup)
            with ForeignWriter(backup) as other:
                for number in range(7):
                    other.create(f"other {number}")
            await editor.create("lost")
            await editor.until(2)
            foreign.restore_from(backup)
        message = await editor.next_change()
        assert message["incomplete"] is True
        assert message["revision"] == 8


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"sinceState": 1}, "sinceState: expected a state that the server has sent, got int"),
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
