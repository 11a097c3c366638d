"""Records the exchanges of the errors of a file or disk, each with a server of its own.

What is wrong is made so: a damaged file, another program's lock, a limit of the process.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import apsw

from docs import exchanges

Json = dict[str, Any]
CREATE: Final = ("tenets/session.create", {"name": "a"})
# prctl(2): PR_CAPBSET_DROP of CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER
WITHOUT_PRIVILEGES: Final = """
import ctypes, os, sys
if os.getuid() == 0:
    for capability in (1, 2, 3):
        assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def limit_exceeded(database: Path) -> Iterator[list[str]]:
    yield [str(database)]


@contextmanager
def unavailable(database: Path) -> Iterator[list[str]]:
    database.write_text("a file where a folder should be")
    yield [str(database / "tenets.db")]


@contextmanager
def corrupt(database: Path) -> Iterator[list[str]]:
    database.write_bytes(b"no database at all, " * 1000)
    yield [str(database)]


@contextmanager
def read_only(database: Path) -> Iterator[list[str]]:
    list(exchanges.conversation([*exchanges.COMMAND, "--database", str(database)], [CREATE]))
    database.chmod(0o400)
    yield [str(database)]


@contextmanager
def busy(database: Path) -> Iterator[list[str]]:
    list(exchanges.conversation([*exchanges.COMMAND, "--database", str(database)], [CREATE]))
    with contextlib.closing(apsw.Connection(str(database))) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield [str(database)]


Situation = Callable[[Path], AbstractContextManager[list[str]]]

SITUATIONS: Final[dict[str, tuple[Situation, Json]]] = {
    "limitExceeded": (limit_exceeded, {"name": "a", "metadata": {"text": "x" * 1_100_000}}),
    "databaseUnavailable": (unavailable, {"name": "a"}),
    "databaseCorrupt": (corrupt, {"name": "a"}),
    "databaseReadOnly": (read_only, {"name": "b"}),
    "databaseBusy": (busy, {"name": "b"}),
}
"""For each kind: what makes it, given a path, and the params of the ``create`` that fails."""


@cache
def recorded() -> str:
    """Return the exchanges as one Markdown block."""
    lines = list[str]()
    for number, (kind, (situation, params)) in enumerate(SITUATIONS.items(), 1):
        with TemporaryDirectory() as folder:
            lines += _of(kind, situation(Path(folder) / "tenets.db"), params, number, folder)
    return "```jsonrpc\n{}\n```\n".format("\n".join(lines))


def _of(
    kind: str, situation: AbstractContextManager[list[str]], params: Json, number: int, folder: str
) -> list[str]:
    with situation as database:
        command = [*exchanges.COMMAND, "--database", *database]
        if kind == "databaseReadOnly":
            command = [sys.executable, "-c", WITHOUT_PRIVILEGES, *command]
        calls = [(CREATE[0], params)]
        (reply,) = exchanges.conversation(command, calls)
    assert reply["error"]["data"]["kind"] == kind, reply
    reply["id"] = number
    text = reply["error"]["message"].replace(folder, "/home/you")
    reply["error"]["message"] = text
    request = {"jsonrpc": "2.0", "id": number, "method": CREATE[0], "params": shortened(params)}
    return [f"--> {exchanges.shown(request)}", f"<-- {exchanges.shown(reply)}"]


def shortened(value: Any) -> Any:
    """Return JSON values with long strings cut."""
    if isinstance(value, dict):
        return {key: shortened(one) for key, one in value.items()}
    return f"{value[:10]}..." if isinstance(value, str) and len(value) > 100 else value
