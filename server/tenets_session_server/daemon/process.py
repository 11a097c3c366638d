"""The daemon's process, which :mod:`.launch` starts: arguments, descriptors, log and signals."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from pathlib import Path
from typing import Final

from platformdirs import user_log_path

from tenets_session_server import logs
from tenets_session_server.daemon import limits
from tenets_session_server.daemon.address import FOLDER, Address
from tenets_session_server.daemon.daemon import Daemon
from tenets_session_server.daemon.launch import DIRECTORY_FD, LISTENER_FD, LOCK_FD, Lock
from tenets_session_server.storage import engines
from tenets_session_server.storage.store import Store

logger = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> int:
    """Serve until no client has been attached for a while; return the exit status."""
    parser = argparse.ArgumentParser(prog="tenets_session_server.daemon")
    parser.add_argument("--database", required=True)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--access", required=True)
    parser.add_argument("--synchronous", required=True)
    parser.add_argument("--log-level", required=True)
    arguments = parser.parse_args()

    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the editor's mask was inherited
    for descriptor in (LISTENER_FD, LOCK_FD, DIRECTORY_FD):
        os.set_inheritable(descriptor, False)
    address = Address(arguments.database, arguments.access)
    log = _open_log(address, arguments.log_level)
    limits.raise_soft()
    store = engines.store(arguments.database, arguments.synchronous, arguments.reason)
    gc.freeze()  # what has been imported stays, so the collector need not look through it
    try:
        asyncio.run(_serve(store, address, log))
    except Exception:
        logger.exception("the daemon has failed")
        return 1
    finally:
        store.close()
    return 0


async def _serve(store: Store, address: Address, log: Path | None) -> None:
    listener = socket.socket(fileno=LISTENER_FD)
    daemon = Daemon(store, address, listener, DIRECTORY_FD, log)
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, daemon.stop, signal.Signals(number).name)
    os.close(LOCK_FD)  # releases the lock: the daemon has started
    await daemon.run()


def _open_log(address: Address, level: str) -> Path | None:
    """Log to the daemon's own file; return its path, None if there is no place for it."""
    # At least "info": which clients came and went is needed when a problem is looked into.
    level = level if level == "debug" else "info"
    with contextlib.suppress(OSError, RuntimeError):  # no home directory
        folder = user_log_path(FOLDER, appauthor=False)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Held until this process ends: another one, which has lost its socket, may have the log.
        reserved = Lock(str(folder / address.lock_name)).acquire()
        name = address.name if reserved else f"{address.name}-{os.getpid()}"
        logs.log_to(str(folder / f"{name}.log"), level)
        return folder / f"{name}.log"
    logs.log_to(os.devnull, level)
    return None
