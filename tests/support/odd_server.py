"""The real server with a few badly behaved features more; a program, run by tests.

They are what an extension of the server could get wrong: the protocol layer has to contain it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

from lsprotocol import types

from tenets_session_server.cli import standalone
from tenets_session_server.cli.options import Options
from tenets_session_server.rpc import pygls_server
from tenets_session_server.rpc.pygls_server import SessionServer
from tenets_session_server.storage.sqlite.store import SQLiteStore


def create_odd_server(store: SQLiteStore, **options: Any) -> SessionServer:
    """Return the server with the features ``odd/*``."""
    server = pygls_server.create_server(store, **options)

    @server.feature("odd/print")
    def prints(params: Any) -> str:
        print("this is not protocol", flush=True)
        subprocess.run(["echo", "nor is this"], check=True)
        return sys.stdin.read() if params == "read" else "printed"

    @server.feature("odd/raise")
    def raises(_params: Any) -> None:
        raise RuntimeError(f"secret of {Path(__file__)}")

    @server.feature("odd/return")
    def returns(params: Any) -> Any:
        values = {"nan": float("nan"), "bytes": b"\x00", "object": object(), "set": {1}}
        return values[params["value"]]

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(_params: types.HoverParams) -> None:
        return None

    @server.feature("odd/wait")
    async def waits(_params: Any) -> str:
        await asyncio.sleep(3600)
        return "never"

    @server.feature("odd/later")
    async def later(params: Any) -> Any:
        await asyncio.sleep(0)
        return params

    @server.feature("odd/thread")
    @server.thread()
    def in_thread(params: Any) -> Any:
        return params

    @server.feature("odd/ask")
    async def asks(_params: Any) -> Any:
        answer = server.protocol.send_request_async("odd/question", {"why": None})
        return await answer

    return server


if __name__ == "__main__":
    options = Options()
    options.log_level, options.database = "info", sys.argv[1]
    standalone.create_server = create_odd_server  # type: ignore[attr-defined,assignment]
    sys.exit(standalone.run(options, sys.argv[1], "named by --database"))
