"""A language server as pygls' documentation would have it, on the same sessions as ours.

pygls 2.1 as it comes: its framing, its conversion of params into objects, its handlers, each of
which makes the call into our storage that ours makes. It sends no notifications of changes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pygls.lsp.server import LanguageServer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.store_calls import on_the_wire, prepared
from tenets_session_server.config import TenetsConfig
from tenets_session_server.methods.table import METHODS
from tenets_session_server.storage.sqlite.store import SQLiteStore

server = LanguageServer("stock-pygls", "1")
store = SQLiteStore(TenetsConfig(database=Path(sys.argv[1])))


def plain(value: Any) -> Any:
    """Return params as they were sent; pygls makes objects of them, which would not go back."""
    if hasattr(value, "_asdict"):
        return {key: plain(member) for key, member in value._asdict().items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


@server.feature("echo")
def echo(params: Any) -> Any:
    """Return the params."""
    return plain(params)


def handler(verb: str) -> Callable[[Any], Any]:
    """Return the handler of a method."""

    def handle(params: Any) -> Any:
        return on_the_wire(prepared(store, verb, plain(params))())

    return handle


for method in METHODS:
    server.feature(method.name)(handler(method.verb))

if __name__ == "__main__":
    server.start_io()
