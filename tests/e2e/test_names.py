"""Names: what a new one may be, and that every session can be addressed by the name it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.client import Client, ResponseError
from support.foreign import INSERT, NOW, ForeignWriter

pytestmark = pytest.mark.asyncio

DECOMPOSED, COMPOSED = "cafe\u0301", "caf\u00e9"
ODD = ["", " ", "\t", "a\nb", "x" * 300, "\u202eevil", "\u200b", "a\x00b"]


@pytest.mark.parametrize("name", ODD, ids=ascii)
async def test_a_name_that_only_others_can_give_can_be_addressed(
    server_command: list[str], database: Path, name: str
) -> None:
    with ForeignWriter.on_new_file(database) as foreign:
        foreign.execute(INSERT, (name, NOW, "{}"))
    async with Client.opened(server_command) as client:
        assert (await client.session("get", name=name))["name"] == name
        assert (await client.activate(name))["active"]
        assert (await client.add_note(name, "x"))["sessionCreated"] is False
        updated = await client.session("updateMetadata", name=name, updates={"a": 1})
        assert updated["metadata"]["a"] == 1
        assert await client.session("delete", name=name) == {"deleted": True, "trashId": 1}
        assert await client.names() == []


INVISIBLE = ["\u200b", "\u3164", " \u2800 ", "\u202eabc", "a\u2066b", "\ufe0f"]


@pytest.mark.parametrize("name", INVISIBLE, ids=ascii)
async def test_a_new_name_has_to_be_visible_and_in_one_direction(
    server_command: list[str], name: str
) -> None:
    async with Client.opened(server_command) as client:
        with pytest.raises(ResponseError, match="name: expected 1 to 255 characters") as caught:
            await client.create(name)
        assert caught.value.code == -32602
        with pytest.raises(ResponseError, match="sessionName: expected 1 to 255 characters"):
            await client.add_note(name, "x")
        assert await client.names() == []
        assert await client.session("get", name=name) is None


async def test_names_are_stored_in_nfc_and_found_in_any_form(server_command: list[str]) -> None:
    async with Client.opened(server_command) as client:
        assert (await client.create(DECOMPOSED))["name"] == COMPOSED
        for name in (DECOMPOSED, COMPOSED):
            assert (await client.session("get", name=name))["name"] == COMPOSED
            assert (await client.add_note(name, "x"))["sessionName"] == COMPOSED
            with pytest.raises(ResponseError, match="already named"):
                await client.create(name)
        assert (await client.add_note("n" + DECOMPOSED, "x"))["sessionName"] == "n" + COMPOSED


async def test_the_form_that_is_given_comes_first(
    server_command: list[str], database: Path
) -> None:
    with ForeignWriter.on_new_file(database) as foreign:
        for name in (DECOMPOSED, COMPOSED):
            foreign.execute(INSERT, (name, NOW, "{}"))
    async with Client.opened(server_command) as client:
        for name in (DECOMPOSED, COMPOSED):
            assert (await client.session("get", name=name))["name"] == name
