"""The shared process around its clients: descriptors, log, signals, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Final

from platformdirs import user_log_path

from tenets_session_server import logs
from tenets_session_server.config import Synchronous
from tenets_session_server.daemon.address import FOLDER, Address
from tenets_session_server.daemon.daemon import Listener
from tenets_session_server.daemon.launch import FOLDER_FD, LISTENER_FD, LOCK_FD
from tenets_session_server.storage.store import Store

logger = logging.getLogger(__name__)

DESCRIPTORS: Final = 65536
"""How many may be open, where the system allows it."""
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(database: str, *, named: bool, synchronous: Synchronous, log_level: str) -> int:
    """Serve whoever comes, until nobody has for a while; return the exit status."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # an editor's are inherited
    for descriptor in (LISTENER_FD, LOCK_FD, FOLDER_FD):
        os.set_inheritable(descriptor, False)
    where = Address(database)
    log = _open_log(where, log_level)
    _allow_many_clients()
    store = Store.for_server(database, synchronous, named=named)
    listener = Listener(store, where, socket.socket(fileno=LISTENER_FD), FOLDER_FD, log)
    gc.freeze()
    try:
        asyncio.run(_serve(listener))
    except Exception:
        logger.exception("the shared process has failed")
        return 1
    finally:
        store.close()
    return 0


async def _serve(listener: Listener) -> None:
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, listener.stop, signal.Signals(number).name)
    os.close(LOCK_FD)  # we are there
    await listener.run()


def _open_log(where: Address, level: str) -> Path | None:
    """Log to a file of our own; return it, None where there can be none."""
    # At least who comes and goes: at night somebody will want to know.
    level = level if level == "debug" else "info"
    with contextlib.suppress(OSError, RuntimeError):  # no home directory
        file = user_log_path(FOLDER, appauthor=False) / f"{where.name}.log"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        logs.configure_file(level, file)
        return file
    logs.configure(level, os.open(os.devnull, os.O_WRONLY))
    return None


def _allow_many_clients() -> None:
    """Each client needs up to eight descriptors, and the usual limit is 1,024 or less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
