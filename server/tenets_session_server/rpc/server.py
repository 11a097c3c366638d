"""Makes what one client talks to. Nothing here is global: many servers can share one SessionDB."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lsprotocol import converters, types
from pygls.lsp.server import LanguageServer

from tenets_session_server import __version__
from tenets_session_server.methods.method import METHODS
from tenets_session_server.rpc.lifecycle import SessionProtocol
from tenets_session_server.rpc.publisher import Hub
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sessions import SessionStore

if TYPE_CHECKING:
    from cattrs import Converter

logger = logging.getLogger(__name__)

SERVER_NAME = "tenets-session-server"


class SessionServer(LanguageServer):
    """pygls' server for one client, on a ``SessionDB`` that other clients' servers may share."""

    protocol: SessionProtocol

    def __init__(self, session_db: SessionDB, hub: Hub, command_pid: int) -> None:
        self.command_pid, self.connected_at = command_pid, datetime.now(UTC)
        self.session_db = session_db
        self.hub = hub
        self.sessions: SessionStore = session_db.sessions
        super().__init__(
            name=SERVER_NAME,
            version=__version__,
            text_document_sync_kind=types.TextDocumentSyncKind.None_,
            protocol_cls=SessionProtocol,
            converter_factory=_converter,
        )

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls would otherwise show the user, traceback included."""
        logger.error("%s: %s", getattr(source, "__name__", source), error)


def create_server(
    session_db: SessionDB, hub: Hub | None = None, *, command_pid: int | None = None
) -> SessionServer:
    """Return a server for one client; connect it with :func:`.connection.serve`.

    Clients of one ``SessionDB`` share one ``hub``, and are told of each other's changes through it.
    ``command_pid`` is that of the command that the client has started, by default our own.
    """
    server = SessionServer(
        session_db, hub or Hub(session_db), os.getpid() if command_pid is None else command_pid
    )
    for method in METHODS:
        server.feature(method.name)(method.handler)
        server.command(method.command)(method.handler)
    return server


@lru_cache(maxsize=1)
def _converter() -> Converter:
    # Making it takes longer than everything else here, and it keeps no state.
    return converters.get_converter()
