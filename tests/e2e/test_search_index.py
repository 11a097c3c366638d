"""The search index follows every writer, and every file."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from support.client import Client
from support.foreign import NOW, ForeignWriter
from support.host import Host
from support.modes import both_modes
from support.searching import INDEXED, STORED, found, found_in_the_end, names
from support.waiting import eventually
from tenets_session_server.storage.sqlite import schema, search_feed, search_index
from tenets_session_server.storage.sqlite.schema import CHANGES_KEPT

pytestmark = pytest.mark.asyncio


ADD = (
    "INSERT INTO session_context (session_id, kind, content, created_at)"
    " SELECT id, 'note', ?, ? FROM sessions WHERE name = ?"
)


@pytest.fixture
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is fed at once, although commits go on."""
    monkeypatch.setattr(search_feed, "QUIET", 0.01)


# -- every writer ----------------------------------------------------------------------------


async def test_what_another_program_does_is_followed(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.create("theirs")
        with ForeignWriter(database) as foreign:
            foreign.add_context("theirs", "their first")
            assert await found(client, "first") == ["their first"]
            foreign.execute("UPDATE session_context SET content = 'changed'")
            assert await found(client, "first") == []
            assert await found(client, "changed") == ["changed"]
            foreign.execute("UPDATE session_context SET session_id = 47")
            (hit,) = (await client.session("search", query="changed"))["hits"]
            assert hit["session"] == {"id": 47, "name": None}
            foreign.execute("DELETE FROM session_context")
            assert await found(client, "changed") == []
            foreign.execute("UPDATE sessions SET name = 'named otherwise'")
            assert await names(client, "otherwise") == ["named otherwise"]
            foreign.delete("named otherwise")
            assert await names(client, "otherwise") == []
            foreign.create("active", {"active": True})
            foreign.add_context("active", "last")
            assert await found(client, "last") == ["last"]
            assert foreign.rows(INDEXED) == foreign.rows(STORED)


async def test_no_trigger_and_no_statement_of_another_program_touches_the_index(
    database: Path,
) -> None:
    async with Host.opened(database) as host:
        await host.quiet_client()
        with ForeignWriter(database) as foreign:
            sql = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%search%'"
            assert foreign.rows(sql) == []
            shadows = foreign.rows("SELECT name FROM sqlite_master WHERE name LIKE '%search%'")
            # As where SQLite lacks FTS5: whatever touches the tables fails.
            forbidden = {name for (name,) in shadows}

            def authorize(_code: int, first: str | None, *_: object) -> int:
                return 1 if first in forbidden else 0  # SQLITE_DENY

            foreign.connection.authorizer = authorize
            foreign.create_tables()
            foreign.create("theirs", {"active": True})
            foreign.add_context("theirs", "works")
            foreign.update("theirs", {"key": "value"})
            foreign.delete("theirs")
            foreign.connection.authorizer = None


async def test_sessions_as_a_whole(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(3):
            await client.add_note("a", f"token {number}")
        await client.session("copy", name="a", newName="b")
        assert await found_in_the_end(client, "token", sessionName="b") == [
            "token 2",
            "token 1",
            "token 0",
        ]
        await client.session("reset", name="a")
        assert await found(client, "token", sessionName="a") == []
        assert len(await found(client, "token")) == 3
        await client.session("delete", name="b", purgeContext=False)
        result = await client.session("search", query="token")
        assert [hit["session"] for hit in result["hits"]] == [{"id": 2, "name": None}] * 3
        await client.session("deleteAll")
        assert await found(client, "token") == []
        stored = host.session_db.db.run(STORED)
        assert host.session_db.db.run(INDEXED) == stored


@pytest.mark.usefixtures("_eager")
async def test_a_large_session_is_gone_at_once_and_leaves_the_index_later(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("small", "x stays")
        await client.create("large")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("large", 5000)
        await eventually(lambda: len(host.session_db.db.run(INDEXED)) == 5001)
        deleted = await client.session("delete", name="large")
        assert await found(client, "x") == ["x stays"]
        await client.session("restore", id=deleted["trashId"])
        assert len(await found(client, "x", limit=200)) == 200
        await client.session("delete", name="large")
        await client.session("emptyTrash")
        assert await found(client, "x") == ["x stays"]
        await eventually(lambda: len(host.session_db.db.run(STORED)) == 1)
        await eventually(lambda: len(host.session_db.db.run(INDEXED)) == 1)


@pytest.mark.usefixtures("_eager")
async def test_what_a_foreign_program_replaces_without_a_change_is_noticed(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "first")
        with ForeignWriter(database) as foreign:
            trigger = foreign.objects()["session_server_context_inserted"]
            foreign.execute("DROP TRIGGER session_server_context_inserted")
            foreign.add_context("a", "unseen")
            foreign.execute(trigger)
            foreign.execute("UPDATE session_server_totals SET context_entries = 2")
        await client.add_note("a", "third")
        await eventually(lambda: len(host.session_db.db.run(INDEXED)) == 3)
        assert await found(client, "unseen") == ["unseen"]


@pytest.mark.usefixtures("_eager")
async def test_totals_that_are_off_are_noted_down_without_another_scan(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(3):
            await client.add_note("a", f"note {number}")
        assert len(await found_in_the_end(client, "note")) == 3
        run = host.session_db.db.run
        # A scan would put it back.
        run("DELETE FROM session_server_search WHERE rowid = 1")
        with ForeignWriter(database) as foreign:
            # No trigger fires for the old row.
            foreign.execute(
                "INSERT OR REPLACE INTO session_context (id, session_id, kind, content, created_at)"
                " VALUES (2, 1, 'note', 'replaced', ?)",
                (NOW,),
            )
        await client.add_note("a", "note 3")
        off = "SELECT context_entries - 4 FROM session_server_totals"
        noted = "SELECT uncounted FROM session_server_search_state"
        assert run(off) != [(0,)]
        await eventually(lambda: run(noted) == run(off))
        assert await found(client, "replaced") == ["replaced"]
        assert run(INDEXED) == [(2,), (3,), (4,)]


@pytest.mark.parametrize(
    ("verb", "params"),
    [
        ("rename", {"name": "b", "newName": "c"}),
        ("delete", {"name": "b", "purgeContext": False}),
        ("update", {"name": "b", "metadata": {"key": "value"}}),
    ],
)
async def test_what_follows_a_copy_at_once_hides_none_of_its_entries(
    database: Path, verb: str, params: dict[str, Any]
) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(3):
            await client.add_note("a", f"token {number}")
        assert len(await found_in_the_end(client, "token")) == 3
        await client.pipelined(("copy", {"name": "a", "newName": "b"}), (verb, params))
        assert len(await found_in_the_end(client, "token")) == 6


@pytest.mark.usefixtures("_eager")
async def test_entries_that_are_lacking_are_not_counted_as_gone(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(3):
            await client.add_note("a", f"token {number}")
        assert len(await found_in_the_end(client, "token")) == 3
        with ForeignWriter(database) as foreign:
            # As if one row were lacking in the index, and the totals were off as well.
            foreign.execute("DELETE FROM session_server_search WHERE rowid = 2")
            foreign.execute("UPDATE session_server_search_state SET entries = entries - 1")
            foreign.execute("UPDATE session_server_totals SET context_entries = 1")
        await client.add_note("a", "token 3")
        await eventually(lambda: len(host.session_db.db.run(INDEXED)) == 4)
        assert len(await found(client, "token")) == 4


async def test_more_notes_at_once_than_the_log_keeps_leave_no_gap(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_feed, "LARGEST_BACKLOG", 500)
    monkeypatch.setattr(search_index, "DEFERRED", 400)
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        note = {"sessionName": "a", "kind": "note"}
        for part in range(6):
            calls = [
                ("addContext", {**note, "content": f"note number{part * 2000 + number}"})
                for number in range(2000)
            ]
            await client.pipelined(*calls)
            await client.session("updateContext", id=part * 2000 + 1, content=f"changed{part}")
        assert host.store.totals().revision > CHANGES_KEPT + 100
        assert len(await found_in_the_end(client, "number11999 ")) == 1
        assert await found(client, "number7 ") == ["note number7"]
        assert [len(await found(client, f"changed{part} ")) for part in range(6)] == [1] * 6
        assert await found(client, "number2000 ") == []
        assert host.session_db.db.run(INDEXED) == host.session_db.db.run(STORED)


async def test_a_session_that_is_changed_right_after_it_came_is_indexed(
    server_command: list[str],
) -> None:
    async with Client.opened(server_command) as client:
        await client.add_note("a", "unusual")
        await client.pipelined(
            ("copy", {"name": "a", "newName": "b"}), ("rename", {"name": "b", "newName": "c"})
        )
        hits = (await client.session("search", query="unusual"))["hits"]
        assert {hit["session"]["name"] for hit in hits} == {"a", "c"}


# -- gaps and other files --------------------------------------------------------------------


@both_modes
async def test_an_older_file_is_indexed_when_it_is_opened(
    server_command: list[str], database: Path
) -> None:
    with ForeignWriter.on_new_file(database) as foreign:
        foreign.create("theirs")
        for number in range(500):
            foreign.add_context("theirs", f"token number{number}")
    async with Client.opened(server_command) as client:
        assert await found_in_the_end(client, "number7 ") == ["token number7"]
        assert await names(client, "theirs") == ["theirs"]


async def test_an_index_with_beginnings_of_three_letters_is_made_anew(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as client:
        for number in range(5):
            await client.add_note("a", f"token number{number}")
    with ForeignWriter(database) as foreign:  # as an older server has left it
        foreign.execute("DELETE FROM session_server_migrations WHERE name = 'search_prefixes'")
        foreign.execute("DROP TABLE session_server_search")
        foreign.execute(schema.SEARCH_INDEX[0])
    async with Client.opened(server_command) as client:
        for beginning in ("n", "nu", "num", "numb"):
            assert len(await found_in_the_end(client, beginning)) == 5
    with ForeignWriter(database) as foreign:
        made = foreign.objects()["session_server_search"]
        assert "prefix='2'," in made
        assert foreign.rows(INDEXED) == foreign.rows(STORED)


async def test_what_was_written_while_no_server_ran_is_found(database: Path) -> None:
    for round_number in range(2):
        async with Host.opened(database) as host:
            client = await host.quiet_client()
            await client.add_note("a", f"ours {round_number}")
            expected = [f"theirs {number}" for number in range(round_number)]
            assert sorted(await found_in_the_end(client, "theirs")) == expected
        with ForeignWriter(database) as foreign:
            foreign.add_context("a", f"theirs {round_number}")


async def test_where_the_log_has_a_gap_everything_is_looked_at(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "kept")
        await client.add_note("a", "changed by others")
        await client.add_note("a", "removed by others")
        assert len(await found(client, "others")) == 2
    with ForeignWriter(database) as foreign:
        foreign.execute("UPDATE session_context SET content = 'new text' WHERE id = 2")
        foreign.execute("DELETE FROM session_context WHERE id = 3")
        foreign.create("their session")
        foreign.add_much_context("a", CHANGES_KEPT + 500)
        oldest = foreign.rows("SELECT min(revision) FROM session_server_changes")
        assert oldest[0][0] > 100, "the log has no gap"
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        # The old content stays searchable meanwhile.
        assert await found(client, "kept") == ["kept"]
        assert await found_in_the_end(client, "text") == ["new text"]
        assert await found(client, "others") == []
        assert await names(client, "their") == ["their session"]
        assert host.session_db.db.run(INDEXED) == host.session_db.db.run(STORED)


async def test_after_a_backup_is_restored_its_entries_are_found(database: Path) -> None:
    backup = database.with_name("backup.db")
    async with Host.opened(database) as host:
        client = await host.client()
        await client.add_note("a", "in the backup")
        assert await found(client, "backup") == ["in the backup"]
        with ForeignWriter(database) as foreign:
            foreign.copy_to(backup)
            await client.add_note("a", "after it")
            assert await found(client, "after") == ["after it"]
            foreign.restore_from(backup)
        assert await found_in_the_end(client, "after") == []
        assert await found(client, "backup") == ["in the backup"]
        await client.add_note("a", "after the restore")
        assert await found_in_the_end(client, "restore") == ["after the restore"]


async def test_an_index_of_another_history_is_made_anew(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "old words")
        assert await found(client, "old") == ["old words"]
    with ForeignWriter(database) as foreign:
        foreign.execute("UPDATE session_context SET content = 'new words'")
        foreign.execute("UPDATE session_server_changes SET token = token + 1")
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        assert await found_in_the_end(client, "words") == ["new words"]


async def test_a_file_that_is_replaced(database: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    async with Host.opened(other) as host:
        client = await host.quiet_client()
        await client.add_note("b", "in the other file")
        await found(client, "other")
    async with Host.opened(database) as host:
        client = await host.client()
        await client.add_note("a", "in the first file")
        assert await found(client, "file") == ["in the first file"]
        replacement = database.with_name("new")
        shutil.copyfile(other, replacement)
        for suffix in ("-wal", "-shm"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)
        replacement.replace(database)
        await client.next_change()
        previews = list[str]()
        while previews != ["in the other file"]:
            reply = await client.call("search", {"query": "file"})
            if "error" in reply:  # for half a second: the file may not be complete
                assert reply["error"]["data"]["retryable"] is True
            else:
                previews = [hit["entry"]["preview"] for hit in reply["result"]["hits"]]


async def test_a_process_that_is_killed_while_it_indexes_leaves_a_good_index(
    database: Path,
) -> None:
    import sys

    with ForeignWriter.on_new_file(database) as foreign:
        foreign.create("many")
        with foreign.transaction():
            for number in range(4000):
                foreign.execute(ADD, (f"entry number{number}", NOW, "many"))
    command = [sys.executable, "-m", "tenets_session_server", "--standalone"]
    async with Client.started([*command, "--database", str(database)]) as client:
        await client.initialize()
        while not (await client.session("search", query="entry"))["hits"]:
            pass
        client.process.send_signal(signal.SIGKILL)
        await client.process.wait()
    with ForeignWriter(database) as foreign:
        assert len(foreign.rows(INDEXED)) < 4000
        assert foreign.integrity() == "ok"
    async with Client.opened([*command, "--database", str(database)]) as client:
        assert await found_in_the_end(client, "number0 ") == ["entry number0"]
    with ForeignWriter(database) as foreign:
        assert foreign.rows(INDEXED) == foreign.rows(STORED)
        assert foreign.integrity() == "ok"


async def test_a_read_only_file_is_searched(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "indexed")
        await found(client, "indexed")
    with ForeignWriter(database) as foreign:
        foreign.add_context("a", "behind")
        foreign.execute("PRAGMA journal_mode = DELETE")
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        host.session_db.db.run("PRAGMA query_only = ON")
        result = await client.session("search", query="indexed")
        assert [len(result["hits"]), result["isIncomplete"]] == [1, True]
        assert (await client.session("search", query="behind"))["hits"] == []
        host.session_db.db.run("PRAGMA query_only = OFF")
        assert await found(client, "behind") == ["behind"]


async def test_a_search_does_not_wait_for_another_programs_lock(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "token one")
        await found(client, "token")
        with ForeignWriter(database) as foreign:
            foreign.add_context("a", "token two")
            with foreign.transaction():
                result = await client.session("search", query="token")
                assert [len(result["hits"]), result["isIncomplete"]] == [1, True]
        assert await found(client, "token") == ["token two", "token one"]


# -- damage ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("_eager")
@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM session_server_search_data WHERE id > 10",
        "DROP TABLE session_server_search",
        "DROP TABLE session_server_search_names",
    ],
)
async def test_a_damaged_index_is_made_anew_and_nothing_else_happens(
    database: Path, damage: str
) -> None:
    async with Host.opened(database) as host:
        client = await host.client()
        for number in range(50):
            added = await client.add_note("a", f"token {number}")
        assert len(await found_in_the_end(client, "token")) == 50
        await client.until(added["revision"])
        with ForeignWriter(database) as foreign:
            foreign.execute(damage)
        generation, heard = host.session_db.db.generation, len(client.notified)
        assert len(await found_in_the_end(client, "token")) == 50
        await client.add_note("a", "token after")
        assert len(await found_in_the_end(client, "token", limit=200)) == 51
        assert host.session_db.db.run(INDEXED) == host.session_db.db.run(STORED)
        # The file is the same for everybody.
        assert host.session_db.db.generation == generation
        changes = await client.session("changes", sinceState=added["state"])
        assert [one["type"] for one in changes["changes"]] == ["contextAdded"]
        assert not any(batch.get("incomplete") for batch in client.notified[heard:])


@pytest.mark.usefixtures("_eager")
async def test_an_index_that_is_damaged_while_nobody_searches_is_made_anew(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "token")
        await eventually(lambda: len(host.session_db.db.run(INDEXED)) == 1)
        with ForeignWriter(database) as foreign:
            foreign.execute("DROP TABLE session_server_search")
        await client.add_note("a", "token after")
        exists = "SELECT 1 FROM sqlite_master WHERE name = 'session_server_search'"
        await eventually(
            lambda: host.session_db.db.run(exists) and len(host.session_db.db.run(INDEXED)) == 2
        )


async def test_a_row_whose_session_is_no_number_stops_nothing(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "token before")
        with ForeignWriter(database) as foreign:
            foreign.execute(
                "INSERT INTO session_context (session_id, kind, content, created_at)"
                " VALUES ('A', 'note', 'odd', ?)",
                (NOW,),
            )
        await client.add_note("a", "token after")
        assert await found_in_the_end(client, "token") == ["token after", "token before"]


async def test_many_rows_that_replace_others_are_found_by_their_new_words(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.create("a")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("a", 2500)
            assert await found_in_the_end(client, "nothing such") == []
            assert len(await found(client, "x")) == 50
            foreign.execute(
                "INSERT OR REPLACE INTO session_context"
                " SELECT id, session_id, kind, 'replaced', created_at FROM session_context"
            )
        assert await found_in_the_end(client, "nothing such") == []
        assert len(await found(client, "replaced")) == 50
        assert await found(client, "x") == []


async def test_large_entries_are_indexed_one_a_step(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_feed, "QUIET", 3600.0)
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        for number in range(3):
            await client.add_note("a", f"large {number} " + "\u8a9e" * 60_000)
        index = host.store.search_index
        sizes = list[int]()
        while index.backlog():
            index.feed(0.0)
            sizes.append(len(host.session_db.db.run(INDEXED)))
        assert {1, 2, 3} <= {*sizes}


# -- other clients and servers ---------------------------------------------------------------


@pytest.mark.usefixtures("_eager")
async def test_two_servers_feed_one_index_and_then_rest(database: Path) -> None:
    async with Host.opened(database) as first, Host.opened(database) as second:
        one, two = await first.client(), await second.client()
        for number in range(50):
            client = (one, two)[number % 2]
            await client.add_note("a", f"token {number}")
            assert await found(client, f"{number} ") == [f"token {number}"]
        newest = (await one.session("stats"))["revision"]
        await one.until(newest)
        await two.until(newest)

        def fed() -> bool:
            return (
                not first.store.search_feed.is_pending and not second.store.search_feed.is_pending
            )

        await eventually(fed)
        heard = [len(one.notified), len(two.notified)]
        commits = [host.session_db.db.run("PRAGMA data_version") for host in (first, second)]
        for _ in range(300):  # some time for commits that would follow each other
            await two.session("getActive")
            await asyncio.sleep(0.001)
        assert commits == [
            host.session_db.db.run("PRAGMA data_version") for host in (first, second)
        ]
        assert [len(one.notified), len(two.notified)] == heard
        assert first.session_db.db.run(INDEXED) == first.session_db.db.run(STORED)


async def test_indexing_tells_nobody_and_keeps_results(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.client()
        await client.add_note("a", "token")
        newest = (await client.session("stats"))["revision"]
        await client.until(newest)
        commits, heard = host.session_db.db.commits, len(client.notified)
        assert await found(client, "token") == ["token"]
        assert host.session_db.db.run("SELECT state FROM session_server_search_state") == [
            ((await client.session("stats"))["state"],)
        ]
        assert (host.session_db.db.commits, len(client.notified)) == (commits, heard)


async def test_the_log_is_emptied_after_the_index_was_fed(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenets_session_server.storage.sqlite.maintenance.CHECKPOINT_AFTER", 0.3)
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.add_note("a", "token")
        await eventually(lambda: len(host.session_db.db.run(INDEXED)) == 1)
        await eventually(lambda: Path(f"{database}-wal").stat().st_size == 0)


async def test_indexing_much_is_done_in_pieces_between_requests(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_feed, "STEP", 0.0005)
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.create("large")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("large", 24_000)
        served, seen = 0, set[Any]()
        while len(seen) < 5:
            await client.session("getActive")
            seen.add(host.session_db.db.run("SELECT count(*) FROM session_server_search")[0][0])
            served += 1
            await asyncio.sleep(0)
        assert served >= 5
