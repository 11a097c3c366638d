"""A language server as pygls' documentation would have it, on the same sessions as ours."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pygls.lsp.server import LanguageServer

from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

server = LanguageServer("stock-pygls", "1")
session_db = SessionDB(TenetsConfig(database=Path(sys.argv[1])))


@server.feature("echo")
def echo(params: Any) -> Any:
    """Return the params; pygls makes an object of them, and would send it back as an array."""
    return params._asdict()


@server.feature("tenets/session.getActive")
def get_active(_params: Any) -> dict[str, Any] | None:
    """Return the active session, or null."""
    found = session_db.sessions.get_active()
    if found is None:
        return None
    return {
        "id": found.id,
        "name": found.name,
        "createdAt": found.created_at,
        "active": found.active,
        "metadata": json.loads(found.metadata),
    }


if __name__ == "__main__":
    server.start_io()
