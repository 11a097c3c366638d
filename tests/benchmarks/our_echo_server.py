"""Our server with one more feature, ``echo``, which is registered and executed pygls' way."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from tenets_session_server.cli.standalone import claim_stdio
from tenets_session_server.config import TenetsConfig
from tenets_session_server.rpc.connection import serve
from tenets_session_server.rpc.pygls_server import create_server
from tenets_session_server.storage.sqlite.store import SQLiteStore


def echo(params: Any) -> Any:
    """Return the params."""
    return params


def main() -> int:
    """Serve stdin and stdout; return the exit status."""
    stdin, stdout = claim_stdio()
    store = SQLiteStore(TenetsConfig(database=Path(sys.argv[1]), busy_timeout=0.0))
    server = create_server(store)
    server.feature("echo")(echo)

    async def run() -> int:
        return await serve(server, stdin, stdout, parent=os.getppid())

    try:
        return asyncio.run(run())
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(main())
