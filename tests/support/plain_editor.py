"""What an editor without a plugin sends and gets: standard requests of LSP only."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from support.client import Client
from support.messages import Json, notification

SOURCE = (
    "import os\n\n\ndef log_in(user):\n    token = fetch(user)\n    return token\n\n\nprint(1)\n"
)
CLIENT = {
    "window": {"showDocument": {"support": True}},
    "textDocument": {"hover": {"contentFormat": ["markdown", "plaintext"]}},
    "workspace": {"codeLens": {"refreshSupport": True}, "inlayHint": {"refreshSupport": True}},
}


@contextlib.asynccontextmanager
async def editor(
    command: list[str],
    features: object = True,
    capabilities: Json = CLIENT,
    name: str | None = "Vim",
    **params: Any,
) -> AsyncIterator[Client]:
    """Open an editor without a plugin."""
    options = {"notifications": False, "editorFeatures": features}
    async with Client.opened(
        command,
        initializationOptions=options,
        capabilities=capabilities,
        **({} if name is None else {"clientInfo": {"name": name}}),
        **params,
    ) as client:
        yield client


def range_(first: int, last: int, character: int = 0) -> Json:
    """Return a range of LSP, from the beginning of a line."""
    return between((first, 0), (last, character))


def between(start: tuple[int, int], end: tuple[int, int]) -> Json:
    """Return a range of LSP, from one line and character to others."""
    return {
        "start": {"line": start[0], "character": start[1]},
        "end": {"line": end[0], "character": end[1]},
    }


async def open_document(client: Client, file: Path | str, text: str = SOURCE) -> str:
    """Open a document; return its URI."""
    uri = file if isinstance(file, str) else file.as_uri()
    item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    await client.send(notification("textDocument/didOpen", {"textDocument": item}))
    return uri


async def edit(client: Client, uri: str, version: int, *changes: Json) -> None:
    """Change a document."""
    params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": list(changes)}
    await client.send(notification("textDocument/didChange", params))


async def actions(client: Client, uri: str, where: Json, **context: Any) -> list[Json]:
    """Return the code actions of a range."""
    params = {
        "textDocument": {"uri": uri},
        "range": where,
        "context": {"diagnostics": [], **context},
    }
    found = await client.result("textDocument/codeAction", params)
    assert isinstance(found, list)
    return found


async def pick(client: Client, uri: str, where: Json, title: str) -> None:
    """Pick a code action by the beginning of its title."""
    (action,) = [one for one in await actions(client, uri, where) if one["title"].startswith(title)]
    command = action["command"]
    assert await client.execute(command["command"], *command["arguments"]) is None


async def hover(client: Client, uri: str, line: int) -> Json | None:
    """Return the hover of a line."""
    position = {"line": line, "character": 2}
    params = {"textDocument": {"uri": uri}, "position": position}
    found: Json | None = await client.result("textDocument/hover", params)
    return found


async def located_at(client: Client, uri: str) -> list[int]:
    """Return the lines with notes in a document, as its hovers say."""
    return [line for line in range(12) if await hover(client, uri, line) is not None]


async def annotated(client: Client, uri: str) -> list[tuple[int, str]]:
    """Return the lines that have a lens, and what it says."""
    found = await client.result("textDocument/codeLens", {"textDocument": {"uri": uri}})
    return [(one["range"]["start"]["line"], one["command"]["title"]) for one in found]


async def found_by(client: Client, query: str) -> list[Json]:
    """Return the symbols of the workspace that a query finds."""
    found: list[Json] = await client.result("workspace/symbol", {"query": query})
    return found
