"""Answers as the tests of context, of whole sessions and of the trash compare them."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from support.client import Client, ResponseError
from support.messages import Json


async def failure(request: Awaitable[object]) -> Json:
    """Return the data of the error that a request has to fail with."""
    with pytest.raises(ResponseError) as caught:
        await request
    assert caught.value.code == -32803
    assert caught.value.data is not None
    return caught.value.data


async def entries(editor: Client, **params: object) -> list[Json]:
    """Return the entries that are listed first."""
    found: list[Json] = (await editor.session("listContext", **params))["entries"]
    return found


async def contents(editor: Client, **params: object) -> list[str]:
    """Return the contents of the entries that are listed first."""
    return [entry["content"] for entry in await entries(editor, **params)]


async def changes_since(editor: Client, state: str) -> list[tuple[str, str]]:
    """Return the type of each change since a state, and the name of its session."""
    found = await editor.session("changes", sinceState=state)
    return [(change["type"], change["sessionName"]) for change in found["changes"]]
