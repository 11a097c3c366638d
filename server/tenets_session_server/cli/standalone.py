"""Direct mode: this process serves its own stdin and stdout, and ends with its one client."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Collection

from tenets_session_server import logs
from tenets_session_server import wire as transport
from tenets_session_server.cli.options import Options
from tenets_session_server.rpc.connection import serve
from tenets_session_server.rpc.server import create_server
from tenets_session_server.storage.session_db import SessionDB

logger = logging.getLogger(__name__)


def run(
    options: Options,
    database: str,
    *,
    log: int | None = None,
    closed: Collection[str] = (),
    parent: int | None = None,
    problem: str | None = None,
) -> int:
    """Serve one client on stdin and stdout; return the exit status.

    ``log`` is the descriptor of a log file, ``closed`` names standard streams that were closed at
    the start, ``parent`` is the id that the parent process had then, and ``problem`` says why the
    daemon does not serve the client.
    """
    logs.configure(options.log_level, log)
    if {"stdin", "stdout"} & set(closed):
        logger.error("stdin and stdout have to be open; closed: %s", ", ".join(closed))
        return 1
    stdin, stdout = claim_stdio()
    if problem is not None:
        logger.warning("serving this editor in direct mode: %s", problem)
    session_db = SessionDB.for_server(
        database, options.synchronous, named=options.database is not None
    )
    session_db.introduce()
    try:
        return transport.run(_serve(session_db, stdin, stdout, parent or os.getppid()))
    except Exception:
        logger.exception("the server has failed")
        return 1
    finally:
        session_db.close()


def claim_stdio() -> tuple[int, int]:
    """Take stdin and stdout for the protocol; return their new descriptors.

    Afterwards ``print()``, C libraries and child processes write to stderr and read nothing, so
    that stdout carries protocol only.
    """
    stdin, stdout = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415

        for descriptor in (stdin, stdout):
            msvcrt.setmode(descriptor, os.O_BINARY)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return stdin, stdout


async def _serve(session_db: SessionDB, stdin: int, stdout: int, parent: int) -> int:
    serving = asyncio.ensure_future(serve(create_server(session_db), stdin, stdout, parent=parent))
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        with contextlib.suppress(NotImplementedError, AttributeError):  # Windows
            number = getattr(signal, name)
            if name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN:  # nohup(1)
                loop.add_signal_handler(number, serving.cancel)
    try:
        return await serving
    except asyncio.CancelledError:
        logger.info("ended by a signal")
        return 1
