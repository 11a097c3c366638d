"""Direct mode: this process serves its own stdin and stdout, and ends with its one client."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Collection
from typing import Final

from tenets_session_server import logs
from tenets_session_server.cli.options import Options
from tenets_session_server.rpc.connection import serve
from tenets_session_server.rpc.pygls_server import create_server
from tenets_session_server.storage import engines
from tenets_session_server.storage.store import Store

logger = logging.getLogger(__name__)

STDERR: Final = 2


def run(
    options: Options,
    database: str,
    reason: str,
    *,
    log: int | None = None,
    closed: Collection[str] = (),
    parent: int | None = None,
    problem: str | None = None,
) -> int:
    """Serve one client on stdin and stdout; return the exit status.

    ``reason`` says why it is that database. ``log`` is the descriptor of a log file (default:
    stderr), ``closed`` names standard streams that were closed at the start, ``parent`` is the id
    that the parent process had then, and ``problem`` says why the daemon does not serve the client.
    """
    logs.log_to(STDERR if log is None else log, options.log_level)
    if {"stdin", "stdout"} & set(closed):
        logger.error("stdin and stdout have to be open; closed: %s", ", ".join(closed))
        return 1
    stdin, stdout = claim_stdio()
    if problem is not None:
        logger.warning("serving this editor in direct mode: %s", problem)
    store = engines.store(database, options.synchronous, reason)
    store.open_for_client(reason)
    gc.freeze()  # what has been imported stays, so the collector need not look through it
    try:
        return asyncio.run(_serve(store, reason, stdin, stdout, parent or os.getppid()))
    except OSError as error:
        logger.error("the server cannot go on: %s", error.strerror or error)  # noqa: TRY400
        return 1
    except Exception:
        logger.exception("the server has failed")
        return 1
    finally:
        store.close()


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


async def _serve(store: Store, reason: str, stdin: int, stdout: int, parent: int) -> int:
    server = create_server(store, reason=reason)
    serving = asyncio.ensure_future(serve(server, stdin, stdout, parent=parent))
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
