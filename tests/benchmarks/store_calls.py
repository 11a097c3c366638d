"""Each method as its handler's call into our storage, without protocol.

The stock server and the ``store`` column of compare.py use it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from tenets_session_server.methods.method import CallContext
from tenets_session_server.methods.table import METHODS
from tenets_session_server.storage.store import Store

_BY_VERB = {method.verb: method for method in METHODS}


def prepared(store: Store, verb: str, params: Mapping[str, Any]) -> Callable[[], Any]:
    """Return the call for a request; ``params`` as on the wire, ``verb`` without its prefix."""
    method = _BY_VERB[verb]
    context = CallContext(store, list)
    decoded = method.decoder.decode(json.dumps(params, separators=(",", ":")).encode())
    call = partial(method.handler, context, decoded)
    return partial(_with_the_rest, store, call) if verb.startswith("delete") else call


def _with_the_rest(store: Store, delete: Callable[[], Any]) -> Any:
    deleted = delete()
    while store.deferred_deletes.run_batch():
        pass
    return deleted


def on_the_wire(found: Any) -> Any:
    """Return the result of such a call as what a server sends, in plain values."""
    return json.loads(msgspec.json.encode(found))
