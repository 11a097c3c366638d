"""Other timings for the server under test: five seconds until a lock is given up, for instance.

The product has no setting for them. Each is a constant of a module, which is changed in the test's
own process, and in every process that is started meanwhile: those find a ``sitecustomize`` on their
PYTHONPATH that changes the constant once its module has been imported.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

MODULES: Final = {
    "ADOPTION_TIMEOUT": "storage.sqlite.adoption",
    "ANSWER_TIMEOUT": "daemon.admin",
    "BUSY_TIMEOUT": "rpc.calls",
    "CHECK_TIMEOUT": "storage.sqlite.damage",
    "CHECKPOINT_AFTER": "storage.sqlite.maintenance",
    "CONSTANT_SIZE": "storage.sqlite.file_identity",
    "FIRST_LOOK": "daemon.automatic_backups",
    "GRACE": "rpc.connection",
    "LIVENESS_INTERVAL": "rpc.connection",
    "LOCK_TIMEOUT": "daemon.daemon",
    "LOOK_INTERVAL": "daemon.automatic_backups",
    "PATH_INTERVAL": "daemon.client_session",
    "PATIENCE": "agents.hook",
    "RESPONSE_TIMEOUT": "daemon.shim",
    "SHARED_FILE_SYSTEMS": "storage.sqlite.file_system",
    "START_TIMEOUT": "daemon.shim",
    "SOCKET_INTERVAL": "daemon.listener",
    "SIGNAL_TIMEOUT": "daemon.admin",
    "SETTLED": "storage.sqlite.file_identity",
}
"""Where each of them is; one is no timing, but changed in the same way."""

_SITECUSTOMIZE: Final = """
import os
import sys

TIMINGS = {timings!r}


class Finder:
    def find_spec(self, name, path, target=None):
        if name not in TIMINGS:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)))
        execute = spec.loader.exec_module

        def execute_and_change(module):
            execute(module)
            module.__dict__.update(TIMINGS[name])

        spec.loader.exec_module = execute_and_change
        return spec


execute = os.execv


def execute_with_timings(program, arguments):
    # The daemon is started isolated, which would keep it from finding this module.
    execute(program, ["-P" if argument == "-I" else argument for argument in arguments])


os.execv = execute_with_timings
sys.meta_path.insert(0, Finder())
"""


@contextlib.contextmanager
def changed(**values: object) -> Iterator[None]:
    """Have these timings, by the names in :data:`MODULES`."""
    timings: dict[str, dict[str, object]] = {}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        for name, value in values.items():
            module = importlib.import_module(f"tenets_session_server.{MODULES[name]}")
            patch.setattr(module, name, value)  # fails if there is none
            timings.setdefault(module.__name__, {})[name] = value
        (Path(folder) / "sitecustomize.py").write_text(_SITECUSTOMIZE.format(timings=timings))
        patch.setenv("PYTHONPATH", folder, prepend=os.pathsep)
        yield
