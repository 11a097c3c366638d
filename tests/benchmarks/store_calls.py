"""Each method as its handler's call into our storage, without protocol.

The stock server and the ``store`` column of compare.py use it.
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
from tenets_session_server.methods.method import CallContext
from tenets_session_server.methods.table import METHODS
from tenets_session_server.storage.sqlite.store import SQLiteStore

_BY_VERB = {method.verb: method for method in METHODS}


def open_database(path: Path) -> SQLiteStore:
    """Open a database with the settings of the server."""
    return SQLiteStore(TenetsConfig(database=path, synchronous="full", busy_timeout=0.0))


@contextlib.contextmanager
def server_errors() -> Iterator[None]:
    """Raise :class:`ServerError` where the storage raises an error of its own."""
    try:
        yield
    except TenetsSessionError as error:
        raise ServerError(str(error)) from error


def prepared(store: SQLiteStore, verb: str, params: Mapping[str, Any]) -> Callable[[], Any]:
    """Return the call for a request; ``params`` as on the wire, ``verb`` without its prefix."""
    method = _BY_VERB[verb]
    context = CallContext(store, list, lambda: None, tuple)
    decoded = method.decoder.decode(json.dumps(params, separators=(",", ":")).encode())
    return partial(method.handler, context, decoded)


def on_the_wire(found: Any) -> Any:
    """Return the result of such a call as what a server sends, in plain values."""
    return json.loads(msgspec.json.encode(found))
