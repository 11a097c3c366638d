"""What the people's command prints, and asks: for a terminal, for a pipe, and as JSON.

On a terminal results are sentences and tables. In a pipe they are plain lines, which scripts read.
Texts of others reach neither as they are: see :mod:`.text`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from tenets_session_server.client import text

STYLES: Final[dict[str, dict[str, Any]]] = {
    "name": {"bold": True},
    "current": {"fg": "green", "bold": True},
    "id": {"fg": "yellow"},
    "match": {"fg": "red", "bold": True},
    "faint": {"dim": True},
    "hint": {"dim": True},
}
GAP: Final = 2
"""Columns of a terminal between those of a table."""
LEAST: Final = 12
"""Columns that the one with the longest text has at least."""
_PAGER_OPTIONS: Final = "FRX"
"""What ``less`` does, as with git: no more than a screen is printed as it is; colours; it stays."""


class Output:
    """What one command prints. ``as_json``: its result, as one object."""

    def __init__(self, color: str, *, paged: bool) -> None:
        self.as_json = False
        self.is_terminal = sys.stdout.isatty()
        self.asks = self.is_terminal and sys.stdin.isatty()
        self._paged = paged and self.is_terminal
        wanted = self.is_terminal and "NO_COLOR" not in os.environ
        wanted = wanted and os.environ.get("TERM") != "dumb"
        self.colored = color == "always" or (color == "auto" and wanted)

    def styled(self, given: str, style: str) -> str:
        """Return a text in the style of that name, if there are colours."""
        return click.style(given, **STYLES[style]) if self.colored else given

    def result(self, value: Any, sentence: str, plain: str | None = None) -> None:
        """Print a result: as JSON, as a sentence for a terminal, or as plain text for a pipe."""
        if self.as_json:
            self.json(value)
        elif self.is_terminal or plain is None:
            self.line(sentence)
        elif plain:
            self.line(plain)

    def json(self, value: Any) -> None:
        """Print a value as a line of JSON."""
        self.line(text.json(json.dumps(value, ensure_ascii=False)))

    def line(self, given: str = "") -> None:
        """Print a line, which is inert already."""
        click.echo(given, color=self.colored)

    def hint(self, given: str) -> None:
        """Tell a person at a terminal what to do next."""
        if self.is_terminal and not self.as_json:
            self.line(self.styled(given, "hint"))

    def undo(self, *trash_ids: int | None) -> None:
        """Tell how to bring back what was removed."""
        ids = [str(one) for one in trash_ids if one is not None]
        if ids:
            self.hint(f"Undo it with: tenets-session restore {' '.join(ids)}")

    def warn(self, sentence: str) -> None:
        """Tell a person about something that needs attention, beside the result."""
        if sys.stderr.isatty():
            click.echo(f"tenets-session: {text.line(sentence)}", err=True)

    def confirm(self, question: str, *, yes: bool, needed: bool = False) -> None:
        """Ask before something is destroyed; end the command if the answer is no.

        In a pipe nothing is asked. If ``needed``, ``--yes`` is required there.
        """
        if yes:
            return
        if self.asks and not self.as_json:
            click.confirm(question, abort=True)
        elif needed:
            raise click.UsageError("nobody can be asked here: repeat it with --yes")

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines, on a terminal with a pager; they are made as they are read."""
        if not self._paged:
            for line in lines:
                self.line(line)
            return
        os.environ.setdefault("LESS", _PAGER_OPTIONS)
        os.environ.setdefault("LESSCHARSET", "utf-8")
        # It adds the end of the last line.
        pieces = (f"\n{line}" if number else line for number, line in enumerate(lines))
        click.echo_via_pager(pieces, color=self.colored)

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        flexible: int,
        optional: Sequence[int] = (),
        least: int = LEAST,
    ) -> None:
        """Print rows on a terminal, within its width.

        For that one column may be shortened to ``least`` characters, and others left out, the first
        ones first.
        """
        from rich.console import Console  # noqa: PLC0415 - 40 ms, on terminals only
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        console = Console(
            no_color=not self.colored, highlight=False, color_system="auto", legacy_windows=False
        )
        cells = [[Text.from_ansi(cell) for cell in row] for row in rows]
        widths = [
            max(len(column), *(row[number].cell_len for row in cells))
            for number, column in enumerate(columns)
        ]
        shown, left_out = list(range(len(columns))), list(optional)
        while True:
            others = sum(widths[number] + GAP for number in shown if number != flexible)
            if others + least <= console.width or not left_out:
                break
            shown.remove(left_out.pop(0))
        widths[flexible] = min(widths[flexible], max(least, console.width - others))
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
        for number in shown:
            table.add_column(
                columns[number], no_wrap=True, overflow="ellipsis", width=widths[number]
            )
        for row in cells:
            table.add_row(*(row[number] for number in shown))
        if not self._paged:
            console.print(table)
            return
        with console.capture() as captured:
            console.print(table)
        self.lines(line.rstrip() for line in captured.get().splitlines())


@contextmanager
def progress(what: str, size: int | None) -> Iterator[Any]:
    """Show on a terminal's stderr how many bytes are done, of ``size`` if that is known.

    The block gets a function, which it calls with the bytes that are done, and perhaps all of them.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _all=None: None
        return
    from rich.console import Console  # noqa: PLC0415 - 40 ms, on terminals only
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn  # noqa: PLC0415

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=size)
        yield lambda done, of=size: bar.update(task, completed=done, total=of)
