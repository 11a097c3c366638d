"""Each method as the call into our storage that its handler makes.

The stock server and the column of ``SessionStore`` in this process call the storage through here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.lean_client import ServerError
from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import TenetsSessionError
from tenets_session_server.storage.session_db import SessionDB


def open_database(path: Path) -> SessionDB:
    """Open a database with the settings of the server."""
    return SessionDB(TenetsConfig(database=path, synchronous="full", busy_timeout=0.0))


@contextlib.contextmanager
def server_errors() -> Iterator[None]:
    """Raise :class:`ServerError` where the storage raises an error of its own."""
    try:
        yield
    except TenetsSessionError as error:
        raise ServerError(str(error)) from error


def prepared(database: SessionDB, verb: str, params: Mapping[str, Any]) -> Callable[[], Any]:
    """Return the call for a request; ``params`` as on the wire, ``verb`` without its prefix."""
    store = database.sessions
    match verb:
        case "getActive":
            return store.get_active
        case "get":
            return partial(store.get, params["name"])
        case "list":
            return partial(
                store.page,
                limit=params.get("limit", 100),
                active=params.get("active"),
                name_prefix=params.get("namePrefix"),
            )
        case "create":
            metadata = json.dumps(params["metadata"], separators=(",", ":")).encode()
            return partial(store.create, params["name"], metadata)
        case "setActive":
            return partial(store.set_active, params["name"])
        case "updateMetadata":
            updates = json.dumps(params["updates"]).encode()
            return partial(store.update_metadata, params["name"], updates)
        case "addContext":
            return partial(
                store.add_context, params["sessionName"], params["kind"], params["content"]
            )
        case "delete":
            return partial(_delete, database, params["name"])
        case "changes":
            return partial(database.feed.since, params["since"], params.get("limit", 100))
        case "stats":
            return database.totals
        case _:
            raise ValueError(verb)


def _delete(database: SessionDB, name: str) -> bool:
    deleted = database.sessions.delete(name)
    while database.sessions.purge_some():
        pass
    return deleted


def on_the_wire(verb: str, found: Any) -> Any:
    """Return the result of such a call as what a server sends, in plain values."""
    match verb:
        case "list":
            sessions = [_session(one) for one in found.sessions]
            return {"sessions": sessions, "nextCursor": found.next_cursor}
        case "addContext":
            entry, created = found
            return {**_camel(entry), "sessionCreated": created}
        case "delete":
            return {"deleted": found}
        case "changes":
            changes = [
                {key: value for key, value in _camel(one).items() if value is not None}
                for one in found.changes
            ]
            return {"changes": changes, "revision": found.revision, "truncated": found.truncated}
        case "stats":
            return _camel(found)
        case _:
            return None if found is None else _session(found)


def _session(stored: Any) -> dict[str, Any]:
    return {
        "id": stored.id,
        "name": stored.name,
        "createdAt": stored.created_at,
        "active": stored.active,
        "metadata": json.loads(stored.metadata),
    }


def _camel(found: Any) -> dict[str, Any]:
    """Return a struct's members by their names on the wire."""
    members: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(found).items():
        first, *rest = name.split("_")
        members[first + "".join(word.capitalize() for word in rest)] = value
    return members
