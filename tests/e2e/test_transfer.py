"""Sessions are exported, and imported: all of a document, or nothing of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from support.answers import contents, failure
from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.messages import Json, notification, request
from support.modes import both_modes

pytestmark = pytest.mark.asyncio

LOCATION = {
    "uri": "file:///work/app/a%20b.py",
    "range": {"start": {"line": 6, "character": 0}, "end": {"line": 9, "character": 0}},
}
ENTRY = "sessions[0].context[0]"
DEEP = json.loads("[" * 100 + "]" * 100)
METADATA = {"x": 1.5, "nested": {"": [None, "ü"]}, "pinned_files": ["/a.py"]}


async def filled(editor: Client) -> None:
    await editor.create("fix login", metadata=METADATA, active=True)
    await editor.create("empty")
    add = {"sessionName": "fix login", "kind": "note", "content": "naïve\n🧵 \u0000"}
    added = await editor.session("addContext", **add, identityKey="k", location=LOCATION)
    await editor.session("updateContext", id=added["id"], content="naïve\n🧵 \u0001")
    await editor.session("addContext", sessionName="fix login", kind="code", content="")


async def exported(editor: Client, **params: object) -> str:
    found: str = (await editor.session("export", **params))["content"]
    return found


def document(*sessions: object, **members: object) -> str:
    given = {"format": "tenets-sessions", "version": 1, "sessions": list(sessions), **members}
    return json.dumps(given, indent=1)


def session(name: str, *context: Json, **members: object) -> Json:
    time = {"createdAt": "2026-11-20T08:00:00+00:00"}
    entries = [{"kind": "note", "content": "x", **time, **entry} for entry in context]
    return {"name": name, **time, "metadata": {}, "context": entries, **members}


@both_modes
async def test_what_was_exported_is_imported(server_command: list[str], tmp_path: Path) -> None:
    other = [*server_command, "--database", str(tmp_path / "other.db"), "--standalone"]
    async with (
        Client.opened(server_command, initializationOptions={"author": "Ada"}) as editor,
        Client.opened(other, initializationOptions={"author": "Bob"}) as colleague,
    ):
        await filled(editor)
        text = await exported(editor)
        assert json.loads(text)["format"] == "tenets-sessions"
        imported = await colleague.session("import", content=text)
        counts = {name: imported[name] for name in ("imported", "skipped", "renamed", "entries")}
        assert counts == {"imported": 2, "skipped": 0, "renamed": 0, "entries": 2}
        assert [one["name"] for one in imported["sessions"]] == ["fix login", "empty"]
        assert imported["trashId"] is None
        before = (await editor.session("list"))["sessions"]
        after = (await colleague.session("list"))["sessions"]
        assert [(one["name"], one["createdAt"]) for one in after] == [
            (one["name"], one["createdAt"]) for one in before
        ]
        assert await colleague.active_name() is None
        found = await colleague.session("get", name="fix login")
        times = {"active", "updated_at", "resumed_at", "ended_at"}
        assert {k: v for k, v in found["metadata"].items() if k not in times} == METADATA
        here, there = [await one.session("listContext") for one in (editor, colleague)]
        for was, now in zip(here["entries"], there["entries"], strict=True):
            for member in ("kind", "content", "createdAt", "updatedAt", "location", "size"):
                assert now.get(member) == was.get(member)
            assert (now["author"], now["importedAuthor"]) == ("Bob", "Ada")
        again = {"sessionName": "fix login", "kind": "note", "content": "", "identityKey": "k"}
        assert (await colleague.session("addContext", **again))["duplicate"] is True
        # Once more it is the same, but for who imported it.
        once = json.loads(await exported(editor))
        twice = json.loads(await exported(colleague))
        for one in once["sessions"][0]["context"]:
            one.update(author="Bob", importedAuthor="Ada")
        assert twice["sessions"][0]["context"] == once["sessions"][0]["context"]


@both_modes
async def test_conflicts(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("a", "old")
        await editor.create("a (2)")
        text = document(session("a", {"content": "new"}), session("b", {}))
        data = await failure(editor.session("import", content=text))
        assert data == {"kind": "sessionExists", "retryable": False, "name": "a"}
        assert sorted(await editor.names()) == ["a", "a (2)"]

        skipped = await editor.session("import", content=text, onConflict="skip")
        assert (skipped["imported"], skipped["skipped"], skipped["entries"]) == (1, 1, 1)
        assert await contents(editor, sessionName="a") == ["old"]

        renamed = await editor.session("import", content=text, onConflict="rename")
        assert (renamed["imported"], renamed["renamed"]) == (2, 2)
        assert [one["name"] for one in renamed["sessions"]] == ["a (3)", "b (2)"]
        assert await contents(editor, sessionName="a (3)") == ["new"]

        replaced = await editor.session("import", content=text, onConflict="overwrite")
        assert (replaced["imported"], replaced["renamed"]) == (2, 0)
        assert await contents(editor, sessionName="a") == ["new"]
        (item,) = (await editor.session("listTrash"))["items"]
        assert (item["id"], item["names"]) == (replaced["trashId"], ["a", "b"])
        await editor.session("restore", id=item["id"], replace=True)
        assert await contents(editor, sessionName="a") == ["old"]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("", ("", 1, "expected an object")),
        ("[]", ("", 1, "expected an object")),
        ("{}", ("", 1, 'expected a member "format"')),
        (document(session("a", metadata=[7])), ("sessions[0].metadata", 8, "a JSON object")),
        (document(session("a", {"kind": 7})), (f"{ENTRY}.kind", 11, "Expected str")),
        (document(version=True), ("version", 3, "as an export has")),
        (document(session("a", context={})), ("sessions[0].context", 9, "expected an array")),
        (document(other=DEEP), ("other", 5, "at most 60 levels")),
        (document(session("a", metadata={"x": DEEP})), ("sessions[0].metadata", 8, "60 levels")),
        (document(session("a", {"x": DEEP})), (ENTRY, 10, "at most 60 levels")),
        (document() + "x", ("", 5, "nothing behind")),
        ('{"format": "tenets-sessions", "version": 1}', ("", 1, 'expected a member "sessions"')),
        (document(format="other"), ("format", 2, "tenets-sessions")),
        (document(version=2), ("version", 3, "version")),
        (document(sessions={}), ("sessions", 4, "expected an array")),
        (document(session("a"), 7), ("sessions[1]", 11, "expected an object")),
        (document({"name": "a"}), ("sessions[0]", 7, "expected a member createdAt")),
        (document(session("a"), session("a")), ("sessions[1].name", 12, "sessions[0] does not")),
        (document(session("a", createdAt="today")), ("sessions[0].createdAt", 7, "RFC 3339")),
        (document(session("a", {}))[:-20], ("sessions[0].context[0]", 10, "the end of a value")),
        (document(session("a", {"content": 7})), (f"{ENTRY}.content", 12, "Expected str")),
        (document(session("a", {"identityKey": ""})), (f"{ENTRY}.identityKey", 14, "1 to 128")),
        (
            document(session("a", {"location": {"uri": "x"}})),
            (f"{ENTRY}.location.uri", 15, "a URI or an absolute path"),
        ),
        (
            document(session("a", {"location": {"uri": "/x", "range": {"start": 1}}})),
            (f"{ENTRY}.location.range.start", 17, "Expected object"),
        ),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_imported(
    server_command: list[str], database: Path, wrong: str, expected: tuple[str, int, str]
) -> None:
    path, line, reason = expected
    async with Client.opened(server_command) as editor:
        before = await editor.session("stats")
        with pytest.raises(ResponseError) as caught:
            await editor.session("import", content=wrong)
        assert caught.value.code == -32803
        assert reason in str(caught.value)
        assert caught.value.data == {
            "kind": "importInvalid",
            "retryable": False,
            "path": path,
            "line": line,
        }
        after = await editor.session("stats")
        assert (after["sessions"], after["state"]) == (before["sessions"], before["state"])
    with ForeignWriter(database) as foreign:
        for table in ("session_context", "session_server_purges", "session_server_trash"):
            assert foreign.rows(f"SELECT * FROM {table}") == []


async def test_what_other_programs_write_is_taken_for_what_it_means(
    server_command: list[str],
) -> None:
    async with Client.opened(server_command) as editor:
        given = session(
            "a\nb",
            {"kind": "", "createdAt": "2026-11-20T08:00:00Z", "author": "x\n" * 50},
            {"kind": "k" * 100, "createdAt": "2026-11-20T08:00:00.123456789+01:00"},
            metadata=[],
            unknown=[{}],
        )
        found = await editor.session("import", content="\ufeff" + document(given))
        assert (found["imported"], found["renamed"]) == (1, 1)
        assert [one["name"] for one in found["sessions"]] == ["a\ufffdb"]
        one, two = (await editor.session("listContext"))["entries"]
        assert (one["kind"], two["kind"]) == ("\ufffd", "k" * 64)
        assert one["createdAt"] == "2026-11-20T08:00:00+00:00"
        assert two["createdAt"] == "2026-11-20T08:00:00.123456+01:00"
        assert one["importedAuthor"] == ("x\ufffd" * 50)[:64]


async def test_others_are_served_while_much_is_imported_and_exported(
    server_command: list[str],
) -> None:
    async with Client.opened(server_command) as busy, Client.opened(server_command) as other:
        text = document(session("large", *[{"content": str(number)} for number in range(20_000)]))
        for verb, params in (("import", {"content": text}), ("export", {})):
            reply = asyncio.ensure_future(busy.call(verb, params))
            served = 0
            while not reply.done():
                names = await other.names()
                assert reply.done() or names == ([] if verb == "import" else ["large"])
                served += 1
            assert "result" in await reply
            assert served > 5
        # What is done cannot be cancelled; what is not leaves nothing.
        await busy.send(request("again", "tenets/session.import", {"content": text}))
        await busy.send(notification("$/cancelRequest", {"id": "again"}))
        assert (await busy.reply())["error"]["code"] in {-32800, -32803}
        assert await other.names() == ["large"]


@both_modes
async def test_an_import_is_told_by_its_sessions_alone(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        state = (await editor.session("stats"))["state"]
        text = document(session("a", {}, {}), session("b", metadata={"active": True}))
        await editor.session("import", content=text)
        found = (await editor.session("changes", sinceState=state))["changes"]
        assert [(one["type"], one["sessionName"]) for one in found] == [
            *(("created", "a"), ("created", "b"))
        ]
        # Ids go on without a gap.
        assert (await editor.create("c"))["id"] == found[-1]["sessionId"] + 1


async def test_one_key_of_several_authors(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        keyed = [{"identityKey": "k", "author": author, "content": author} for author in "ab"]
        await editor.session("import", content=document(session("s", *keyed)))
        add = {"sessionName": "s", "kind": "note", "content": "c", "identityKey": "k"}
        found = await editor.session("addContext", **add)
        assert (found["duplicate"], found["preview"]) == (True, "b")
        assert await contents(editor, sessionName="s") == ["a", "b"]


async def test_some_sessions(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        ids = {name: (await editor.create(name))["id"] for name in "abcd"}
        text = await exported(editor, names=["d", "b"], sessionIds=[ids["a"], ids["b"]])
        assert [one["name"] for one in json.loads(text)["sessions"]] == ["d", "b", "a"]
        data = await failure(editor.session("export", names=["a", "e"]))
        assert (data["kind"], data["name"]) == ("sessionNotFound", "e")
        assert json.loads(await exported(editor, names=[]))["sessions"] == []


async def test_what_does_not_fit_into_a_message(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for _ in range(3):
            await editor.add_note("a", "x" * 6_000_000)
        data = await failure(editor.session("export"))
        assert data["kind"] == "limitExceeded"
        await editor.add_note("b", '"' * 6_000_000)  # which is four times as long when it is sent
        assert (await failure(editor.session("export", names=["b"])))["kind"] == "limitExceeded"
        assert await editor.names() == ["b", "a"]


async def test_what_is_hidden_is_not_exported(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("a", "1")
        await editor.session("reset", name="a")
        await editor.add_note("a", "2")
        await editor.add_note("gone", "3")
        await editor.session("delete", name="gone")
        (found,) = json.loads(await exported(editor))["sessions"]
        assert [entry["content"] for entry in found["context"]] == ["2"]


async def test_markdown(server_command: list[str]) -> None:
    options = {"author": "A_d*a"}
    async with Client.opened(server_command, initializationOptions=options) as editor:
        await editor.create("fix *login*", metadata={"issue": 47, "a_b": "`x`", **METADATA})
        add = {"sessionName": "fix *login*"}
        code = "x = `1`\n````\n"
        for kind, content, more in (
            ("note", "one <!-- `<a>` </b>\n\n```\n# two <x>", {}),
            ("code", code, {"location": LOCATION}),
            ("log", "no end", {"location": {"uri": "untitled:U 1"}}),
        ):
            await editor.session("addContext", **add, kind=kind, content=content, **more)
        text = await exported(editor, format="markdown")
        day = (await editor.session("get", name="fix *login*"))["createdAt"]
        at = f"{day[:10]} {day[11:16]} UTC"
        assert text.replace(at, "NOW") == "\n".join(
            [
                *(r"# fix \*login\*", "", "- Created NOW", "- issue: `47`", r"- a\_b: \`x\`"),
                *("- x: `1.5`", '- nested: `{"": [null, "ü"]}`', "- Pinned: `/a.py`", ""),
                *(r"### note · A\_d\*a · NOW", "", r"> one \<!-- `<a>` \</b>"),
                *(">", "> ```", "> # two <x>", ""),
                r"### code · A\_d\*a · NOW · [app/a b.py:7-9](<file:///work/app/a%20b.py#L7-L9>)",
                *("", "`````py", code + "`````", ""),
                r"### log · A\_d\*a · NOW · [U 1](<untitled:///U%201>)",
                *("", "```", "no end", "```", ""),
            ]
        )


async def test_the_data_of_another_program_is_exported(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        with ForeignWriter(database) as foreign:
            foreign.execute(
                "INSERT INTO session_context (session_id, kind, content, created_at)"
                " VALUES (1, CAST(X'6bff' AS TEXT), CAST(X'78ff' AS TEXT), 17), (1, 'k', 4.5, '')"
            )
            foreign.execute("UPDATE sessions SET metadata = '{\"a\": NaN}'")
        (found,) = json.loads(await exported(editor))["sessions"]
        assert found["metadata"] == {"a": None}
        assert [(one["kind"], one["content"], one["author"]) for one in found["context"]] == [
            *(("k\ufffd", "x\ufffd", None), ("k", "4.5", None))
        ]
        assert found["context"][0]["createdAt"] == "1970-01-01T00:00:17+00:00"
        assert "k\ufffd" in await exported(editor, format="markdown")
