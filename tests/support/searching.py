"""Searching, as tests do it."""

from __future__ import annotations

from support.client import Client

INDEXED = "SELECT rowid FROM session_server_search ORDER BY rowid"
STORED = "SELECT id FROM session_context ORDER BY id"


async def found(client: Client, query: str, **params: object) -> list[str]:
    """Return the previews of the entries that are found, best first."""
    result = await client.session("search", query=query, **params)
    return [hit["entry"]["preview"] for hit in result["hits"] if hit["entry"] is not None]


async def found_in_the_end(client: Client, query: str, **params: object) -> list[str]:
    """Search until the index is up to date."""
    while (await client.session("search", query=query, **params))["isIncomplete"]:
        pass
    return await found(client, query, **params)


async def names(client: Client, query: str, **params: object) -> list[str]:
    """Return the names of the sessions that are found by their names."""
    result = await client.session("search", query=query, **params)
    return [hit["session"]["name"] for hit in result["hits"] if hit["entry"] is None]
