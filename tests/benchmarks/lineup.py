"""The contestants of a run, and their databases."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import datasets
from benchmarks.codex_server import CodexServer
from benchmarks.contestants import HERE, Contestant, Process, Shared
from benchmarks.in_process import InProcess
from benchmarks.lean_client import COMMAND
from benchmarks.opencode_server import OpencodeServer
from benchmarks.public_package import Public
from benchmarks.results import BARE, OURS, PIPE, SHARED, SQL, STOCK, STORE
from benchmarks.workload import ECHO, METHODS, NUMBERS, PREPARED

PUBLIC_METHODS: Final = METHODS - {
    *("changes", "stats", "listContext 100", "getContext", "getCurrent")
}
AGAINST_PUBLIC: Final = frozenset({"getActive", "setActive"})
"""What is compared with the public class at a size of its own."""


@dataclass(frozen=True)
class Lineup:
    """The contestants: most at each of ``sizes``, the expensive ones at ``main`` only.

    ``public_size`` is where ours and the public class are compared, ``tenets`` the folder with the
    public package, ``codex`` and ``opencode`` are programs, if they are there, and ``seconds`` is
    how long each of their turns may take. The programs run with the smallest size.
    """

    folder: Path
    sizes: tuple[int, ...]
    public_size: int
    tenets: Path | None
    seconds: float
    codex: Path | None = None
    opencode: Path | None = None

    @property
    def main(self) -> int:
        """The size at which everything is measured: the middle one."""
        return self.sizes[len(self.sizes) // 2]

    def database(self, column: str, size: int) -> Path:
        """Return the path of a contestant's database."""
        return self.folder / f"{column}-{size}" / "tenets.db"

    def prepare(self) -> Iterator[str]:
        """Make all databases; yield what is being done."""
        for size in sorted({*self.sizes, self.public_size}):
            yield f"making a database of {size:,} sessions"
            base = self.folder / f"{size}.db"
            datasets.build(base, size, COMMAND)
            columns = [OURS]
            if size in self.sizes:
                columns += [BARE, STOCK, STORE, SQL]
            if size == self.main:
                columns += [PIPE, ECHO, SHARED, "fan-out", "soak"]
            for column in columns:
                datasets.copy(base, self.database(column, size))
            base.unlink()

    def contestants(self, round_number: int) -> list[Contestant]:
        """Return all contestants, not started yet."""
        found = self._all()
        for contestant in found:
            contestant.number_from(round_number * NUMBERS)
        return found

    def _all(self) -> list[Contestant]:
        found: list[Contestant] = []
        for size in self.sizes:
            found += self._everywhere(size)
        if self.public_size not in self.sizes:
            found.append(self._ours(self.public_size, AGAINST_PUBLIC))
            found += self._public(self.public_size, AGAINST_PUBLIC)
        database = self.database(ECHO, self.main)
        pipe = [shutil.which("cat") or "cat"]
        echo = _script("our_echo_server.py", database)
        found += [
            Process(PIPE, self.main, METHODS | {ECHO}, self.database(PIPE, self.main), pipe),
            Process(OURS, self.main, frozenset({ECHO}), database, echo),
            Shared(self.main, METHODS, self.database(SHARED, self.main)),
        ]
        if self.codex is not None:
            home = self.folder / "codex"
            found.append(CodexServer(self.sizes[0], self.codex, home, self.seconds))
        if self.opencode is not None:
            home = self.folder / "opencode"
            found.append(OpencodeServer(self.sizes[0], self.opencode, home, self.seconds))
        return found

    def _everywhere(self, size: int) -> Iterator[Contestant]:
        for column, labels in ((BARE, METHODS | {ECHO, PREPARED}), (STOCK, METHODS | {ECHO})):
            database = self.database(column, size)
            yield Process(column, size, labels, database, _script(f"{column}_server.py", database))
        yield self._ours(size, METHODS)
        for column in (STORE, SQL):
            yield InProcess(column, size, METHODS, self.database(column, size))
        yield from self._public(size, PUBLIC_METHODS)

    def _ours(self, size: int, labels: frozenset[str]) -> Contestant:
        database = self.database(OURS, size)
        command = [sys.executable, "-m", "tenets_session_server", "--standalone"]
        return Process(OURS, size, labels, database, [*command, "--database", str(database)])

    def _public(self, size: int, labels: frozenset[str]) -> Iterator[Contestant]:
        if self.tenets is not None:
            yield Public(size, labels, self.tenets, self.folder / f"public-{size}", self.seconds)


def _script(name: str, database: Path) -> list[str]:
    return [sys.executable, str(HERE / name), str(database)]
