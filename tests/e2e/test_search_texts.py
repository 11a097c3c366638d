"""Which text is found by which query, and what is marked in it.

``MARKED`` is the table: a kind of text, the text, a query, and the parts of the text that a client
marks; None where the query does not find the text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.client import Client
from support.foreign import NOW, ForeignWriter
from support.host import Host
from tenets_session_server.storage import search_snippets

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANGUL_DECOMPOSED = "\u1112\u1161\u11ab\u1100\u1173\u11af"
MANY_MARKS = "cafe" + "\u0301\u0316" * 40
MARKED: list[tuple[str, str, str, list[str] | None]] = [
    # kind of text, text, query, what is marked
    ("words", "The token is refreshed twice.", "token", ["token"]),
    ("words", "The token is refreshed twice.", "TOKEN twice", ["token", "twice"]),
    ("words", "The token is refreshed twice.", "twice token ", ["token", "twice"]),
    ("words", "The token is refreshed twice.", "token cookie", None),
    ("words", "The token is refreshed twice.", "oken", None),
    ("a beginning", "The token is refreshed twice.", "refre", ["refre"]),
    ("a beginning", "The token is refreshed twice.", "refre ", None),
    ("a beginning", "The token is refreshed twice.", "refre token", None),
    ("a beginning", "The token is refreshed twice.", "t", ["T", "t", "t"]),
    ("a phrase", "The token is refreshed twice.", '"token is"', ["token is"]),
    ("a phrase", "The token is refreshed twice.", '"is token"', None),
    ("a phrase", "The token is refreshed twice.", '"token is refr', ["token is refr"]),
    ("a phrase", "The token is refreshed twice.", '"token is refr"', None),
    ("a phrase over lines", "the token\n\tis refreshed", '"token is"', ["token is"]),
    ("an exclusion", "The token is refreshed twice.", "token -cookie", ["token"]),
    ("an exclusion", "The token is refreshed twice.", "token -twice", None),
    ("an exclusion", "The token is refreshed twice.", 'token -"is twice"', ["token"]),
    ("an exclusion", "The token is refreshed twice.", 'token -"is refreshed"', None),
    ("an exclusion", "The token is refreshed twice.", "-cookie", None),
    ("an option", "git push --force", "--force", ["force"]),
    ("syntax of FTS5", "token OR NEAR text: a^b", "token OR text:", ["token", "OR", "text"]),
    ("syntax of FTS5", "token", "NEAR(token cookie)", None),
    ("syntax of FTS5", "token", "token*", ["token"]),
    ("nothing to look for", "token", "", None),
    ("nothing to look for", "token", " \t ", None),
    ("nothing to look for", "token", '"" - * "', None),
    ("punctuation in between", "say: hello, world", "hello,world", ["hello, world"]),
    ("snake_case", "call refresh_token now", "refresh_token", ["refresh_token"]),
    ("snake_case", "call refresh_token now", "token", ["token"]),
    ("snake_case", "call refresh_token now", "refreshToken", ["refresh_token"]),
    ("camelCase", "call refreshToken now", "refreshToken", ["refreshToken"]),
    ("camelCase", "call refreshToken now", "refreshtoken", ["refreshToken"]),
    ("camelCase", "call refreshToken now", "token", ["Token"]),
    ("camelCase", "call refreshToken now", "tok", ["Tok"]),
    ("camelCase", "call refreshToken now", "refresh_token", ["refreshToken"]),
    ("camelCase", "call refreshToken now", '"refresh token"', ["refreshToken"]),
    ("camelCase", "call refreshToken now", '"call token"', None),
    ("PascalCase", "HTTPServerError: 500", "server error", ["Server", "Error"]),
    ("PascalCase", "HTTPServerError: 500", "http", ["HTTP"]),
    ("PascalCase", "HTTPServerError: 500", "httpserver", ["HTTPServer"]),
    ("digits", "SHA256Sum of utf8Decoder", "sha256 decoder", ["SHA256", "Decoder"]),
    ("a dotted name", "os.path.join(a)", "os.path.join", ["os.path.join"]),
    ("a dotted name", "os.path.join(a)", "path", ["path"]),
    ("a path", "see /src/auth/login.py:12", "auth/login.py", ["auth/login.py"]),
    ("diacritics", "naïve Café in Łódź", "cafe", ["Café"]),
    ("diacritics", "naïve Café in Łódź", "NAIVE", ["naïve"]),
    ("diacritics", "plain cafe", "café", ["cafe"]),
    ("diacritics, decomposed", "naive Cafe\u0301 au lait", "café lait", ["Cafe\u0301", "lait"]),
    ("diacritics, decomposed", "cafe\u0301", "caf", ["caf"]),
    ("German", "Straße und Größe", "grosse strasse", None),
    ("German", "Straße und Größe", "GRÖßE", ["Größe"]),
    ("Greek", "του λόγος", "ΛΟΓΟΣ", ["λόγος"]),
    ("Cyrillic", "Обновить ключ", "КЛЮЧ", ["ключ"]),
    ("Arabic", "تحديث الرمز", "الرمز", ["الرمز"]),
    ("Hebrew", "רענון אסימון", "אסימון", ["אסימון"]),
    ("Japanese", "設定ファイルを更新した", "ファイル", ["ファイル"]),
    ("Japanese", "設定ファイルを更新した", "更新 設定", ["設定", "更新"]),
    ("Japanese", "設定ファイルを更新した", "新", ["新"]),
    ("Japanese", "設定ファイルを更新した", "新設", None),
    ("Chinese", "刷新令牌两次", "令牌", ["令牌"]),
    ("Chinese, rare", "姓𠮷野", "𠮷野", ["𠮷野"]),
    ("Korean", "토큰을 갱신한다", "토큰", ["토큰"]),
    ("Korean, decomposed", HANGUL_DECOMPOSED, "한글", [HANGUL_DECOMPOSED]),
    ("CJK beside words", "設定file.txt", "設定file", ["設定file"]),
    ("CJK beside words", "設定file.txt", "file", ["file"]),
    ("emoji", "great 👍 work", "👍", ["👍"]),
    ("emoji", "great👍🏽work", "👍 work", ["👍🏽", "work"]),
    ("emoji", "a 👩‍💻 b", "👩", ["👩‍💻"]),
    ("emoji", "hands 🙏🙏 up", '"🙏🙏 up"', ["🙏🙏 up"]),
    ("a mark ends behind the last vowel sign", "यह हिन्दी है", "हिन्दी", ["हिन्दी"]),
    ("many marks", f"a {MANY_MARKS} b", "cafe b", [MANY_MARKS, "b"]),
    ("begins often", f"{'😀' * 60} q {'😀' * 6} z", f'"{"😀" * 6} z"', ["😀" * 6 + " z"]),
    ("begins often", "日日日本語", '"日本"', ["日本"]),
    ("a gap in a phrase", "token ... is", '"token is"', ["token ... is"]),
    ("the same word again", "token is token", "token TOKEN token token", ["token", "token"]),
    ("emoji", "party 🎉🚀 time", "🚀", ["🚀"]),
    ("emoji before", "🎉🎉 token 🎉", "token", ["token"]),
    ("NUL", "before\0after", "after", ["after"]),
    ("NUL", "a token", "token\0", ["token"]),
    ("a long word", "x" * 300, "x" * 300, ["x" * 160]),
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with Host.opened(tmp_path_factory.mktemp("texts") / "tenets.db") as host:
        yield await host.quiet_client()


def marked(hit: dict[str, Any]) -> list[str]:
    """Return the parts of a hit's snippet that are marked, by UTF-16 units as an editor counts."""
    units = hit["snippet"].encode("utf-16-le")
    return [units[2 * start : 2 * end].decode("utf-16-le") for start, end in hit["matches"]]


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [row[1:] for row in MARKED],
    ids=[f"{kind}: {query.encode('unicode_escape').decode()[:40]}" for kind, _, query, _ in MARKED],
)
async def test_what_of_a_text_is_found_by_which_query(
    client: Client, text: str, query: str, expected: list[str] | None
) -> None:
    await client.session("deleteAll")
    added = await client.add_note("0", text)
    found = await client.session("search", query=query)
    assert found["isIncomplete"] is False
    assert [marked(hit) for hit in found["hits"]] == ([] if expected is None else [expected])
    for hit in found["hits"]:
        assert hit["entry"]["id"] == added["id"]
        assert "content" not in hit["entry"]


async def test_the_snippet_is_the_part_with_most_of_the_words(client: Client) -> None:
    text = "token " + "x " * 300 + "\n\nthe  token\tis\nrefreshed " + "y " * 300 + "token"
    await client.session("deleteAll")
    await client.add_note("0", text)
    (hit,) = (await client.session("search", query="refreshed token"))["hits"]
    assert "the token is refreshed y y" in hit["snippet"]
    assert marked(hit) == ["token", "refreshed"]
    assert 100 < len(hit["snippet"]) <= 160


async def test_when_the_time_is_up_snippets_are_plain_beginnings(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_snippets, "BUDGET", 0.0)
    await client.session("deleteAll")
    await client.add_note("0", "the  beginning " + "x " * 200 + "token")
    (hit,) = (await client.session("search", query="token"))["hits"]
    assert hit["snippet"].startswith("the beginning x x")
    assert 100 < len(hit["snippet"]) <= 160
    assert hit["matches"] == []


async def test_a_long_text_of_one_letter_is_found(client: Client) -> None:
    await client.session("deleteAll")
    await client.add_note("0", "a" * 60_000 + " end")
    found = await client.session("search", query="a " * 32 + "end")
    assert found["hits"] == []
    (hit,) = (await client.session("search", query="end " * 32))["hits"]
    assert marked(hit) == ["end"]


@pytest.mark.parametrize(
    "query",
    ["a " * 100_000, '"' * 5001, "-" * 70_000, "日" * 100_000, "x" * 2_000_000, "aB" * 5000],
)
async def test_no_query_is_too_much(client: Client, query: str) -> None:
    assert (await client.session("search", query=query))["hits"] == []


async def test_text_of_other_programs_is_found_as_far_as_it_is_text(database: Any) -> None:
    stored = [
        (b"invalid \xff utf8", "CAST(? AS TEXT)"),
        (b"a blob with words", "?"),
        ("a\0nul", "?"),
        (471100, "?"),
        (b"\xff\xfe\x00", "?"),
        ("", "?"),
    ]
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        await client.create("theirs")
        with ForeignWriter(database) as foreign:
            for content, sql in stored:
                foreign.execute(
                    "INSERT INTO session_context (session_id, kind, content, created_at)"
                    f" VALUES (1, 'note', {sql}, ?)",
                    (content, NOW),
                )
            name = (
                "INSERT INTO sessions (name, created_at, metadata) VALUES (CAST(? AS TEXT), ?, '')"
            )
            foreign.execute(name, (b"odd \xff name", NOW))
            kind = (
                "INSERT INTO session_context (session_id, kind, content, created_at)"
                " VALUES (2, CAST(? AS TEXT), 'of an odd kind', ?)"
            )
            foreign.execute(kind, (b"\xff", NOW))
        for query, snippet in [
            ("utf8", "invalid \ufffd utf8"),
            ("blob", "a blob with words"),
            ("nul", "a nul"),
            ("471100", "471100"),
            ("name", "odd \ufffd name"),
            ("kind", "of an odd kind"),
        ]:
            found = await client.session("search", query=query)
            assert [hit["snippet"] for hit in found["hits"]] == [snippet]
        (hit,) = found["hits"]
        assert hit["entry"]["kind"] == "\ufffd"
        assert hit["entry"]["sessionName"] == "odd \ufffd name"
