"""The contestants that are called right here, with no process and no protocol in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import bare_server, store_calls
from benchmarks.contestants import OneByOne, method
from benchmarks.results import STORE, Results
from benchmarks.workload import Call


class InProcess(OneByOne[Callable[[], Any]]):
    """Our store or the bare loop's SQL, called in this process."""

    def __init__(self, column: str, size: int, labels: frozenset[str], database: Path) -> None:
        super().__init__(column, size, labels)
        self._database = database
        self._call: Callable[[Call], Callable[[], Any]]
        self._close: Callable[[], None] | None = None

    @store_calls.server_errors()
    def start(self, _results: Results) -> None:
        """Open the database."""
        if self.column == STORE:
            store = store_calls.open_database(self._database)
            self._call = lambda call: store_calls.prepared(store, *call)
            self._close = store.close
        else:
            sql = bare_server.Sql(str(self._database))
            self._call = lambda call: _sql_call(sql, call)
            self._close = sql.close

    def end(self, _results: Results) -> None:
        """Close the database."""
        self.kill()

    def kill(self) -> None:
        """Close the database."""
        close, self._close = self._close, None
        if close is not None:
            close()

    def log_tail(self) -> str:
        """Return nothing: it has no log."""
        return ""

    def _prepare(self, call: Call) -> Callable[[], Any]:
        return self._call(call)

    @store_calls.server_errors()
    def _time(self, requests: list[Callable[[], Any]]) -> list[int]:
        clock = time.perf_counter_ns
        durations = []
        for call in requests:
            begin = clock()
            call()
            durations.append(clock() - begin)
        return durations

    @store_calls.server_errors()
    def _time_all(self, requests: list[Callable[[], Any]]) -> int:
        begin = time.perf_counter_ns()
        for call in requests:
            call()
        return time.perf_counter_ns() - begin

    @store_calls.server_errors()
    def _result(self, call: Call) -> Any:
        found = self._call(call)()
        if self.column == STORE:
            return store_calls.on_the_wire(found)
        return json.loads(msgspec.json.encode(found))


def _sql_call(sql: bare_server.Sql, call: Call) -> Callable[[], Any]:
    params = msgspec.json.decode(json.dumps(call[1]), type=bare_server.Params)
    return partial(bare_server.METHODS[method(call[0])], sql, params)
