"""The public ``tenets`` package's ``SessionDB``, asked through a pipe, timed in its own process.

    python public_child.py FOLDER SIZE

``FOLDER`` is its cache directory, with its own database, which is made where it is missing, with
the tables that the package makes and nothing of ours. Each line of the input is a JSON object: the
``steps`` of a task (label or null, and requests) and the ``seconds`` after which a step is ended.
The answer is a line with the nanoseconds of each request by label, and the results of the last.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tenets.config import TenetsConfig
from tenets.storage.session_db import SessionDB

from benchmarks import datasets


def build(database: Path, size: int) -> None:
    """Fill a new database."""
    connection = sqlite3.connect(database)
    with connection:
        connection.executemany(
            "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)",
            datasets.session_rows(size),
        )
        connection.executemany(
            "INSERT INTO session_context (session_id, kind, content, created_at)"
            " VALUES (?, 'note', ?, ?)",
            datasets.entry_rows(size),
        )
    connection.close()


def prepared(sessions: Any, verb: str, params: dict[str, Any]) -> Callable[[], Any]:
    """Return the nearest to a method; a page is cut from the list of everything."""
    match verb:
        case "getActive":
            return partial(sessions.get_active_session)
        case "get":
            return lambda: sessions.get_session(params["name"])
        case "list" if params.get("active"):
            return lambda: [sessions.get_active_session()]
        case "list":
            prefix, limit = params.get("namePrefix", ""), params.get("limit", 100)
            return lambda: [one for one in sessions.list_sessions() if one.name.startswith(prefix)][
                :limit
            ]
        case "create":
            return lambda: sessions.create_session(params["name"], params["metadata"])
        case "setActive":
            return lambda: sessions.set_active(params["name"], True)
        case "updateMetadata":
            return lambda: sessions.update_session_metadata(params["name"], params["updates"])
        case "addContext":
            arguments = (params["sessionName"], params["kind"], params["content"])
            return lambda: sessions.add_context(*arguments)
        case "delete":
            return lambda: sessions.delete_session(params["name"])
        case _:
            raise ValueError(verb)


def plain(found: Any) -> Any:
    """Return a result as what is compared with that of others: names, metadata, truth."""
    if isinstance(found, list):
        return [plain(one) for one in found]
    if hasattr(found, "metadata"):
        return {"name": found.name, "metadata": found.metadata}
    return found


def do(sessions: Any, steps: list[Any], seconds: float) -> dict[str, Any]:
    """Do a task; the first request of a step does not count, unless there is no time for more."""
    clock = time.perf_counter_ns
    taken: dict[str, list[int]] = {}
    results: dict[str, Any] = {}
    most = sys.maxsize
    for label, requests in steps:
        durations: list[int] = []
        until = clock() + seconds * 1e9
        for verb, params in requests[:most]:
            call = prepared(sessions, verb, params)
            begin = clock()
            found = call()
            end = clock()
            durations.append(end - begin)
            if end > until:
                break
        if label is not None:
            most = len(durations)  # what has not been made cannot be deleted
            results[label] = plain(found)
            taken[label] = durations[1:] or durations
    return {"taken": taken, "results": results}


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever the package prints is no answer
    folder, size = Path(sys.argv[1]), int(sys.argv[2])
    config = TenetsConfig()
    config.cache.directory = str(folder)
    database = folder / "tenets.db"
    missing = not database.exists()
    sessions = SessionDB(config)
    if missing:
        build(database, size)
        sessions.set_active(datasets.active_name(size), True)
    print("{}", file=answers)
    for line in sys.stdin:
        given = json.loads(line)
        print(json.dumps(do(sessions, given["steps"], given["seconds"])), file=answers)


if __name__ == "__main__":
    main()
