"""A text that the user gives, sends through a pipe, or writes in the editor.

Nobody should have to write it again: it is kept if it cannot be stored.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from tenets_session_server import masking
from tenets_session_server.cli.invocation import Invocation, chunks
from tenets_session_server.client.client import CallError, DisconnectedError

_STDIN: Final = "-"


def warn_of_secret(run: Invocation, content: str) -> None:
    """Warn who has written a text if there seems to be a secret in it."""
    if (warning := masking.warning(content)) is not None:
        run.out.warn(warning)


def check(content: str, what: str = "note") -> None:
    """End the command if the text of a note, or of ``what`` it is, is blank."""
    if not content.strip():
        raise click.UsageError(f"the {what} is empty: give its text, or write it in the editor")


def is_text(words: tuple[str, ...]) -> bool:
    """Tell whether the words of the command line are the text itself."""
    return bool(words) and words != (_STDIN,)


def given(words: tuple[str, ...]) -> str | None:
    """Return the text of the arguments or of a pipe, None if it is to be written in the editor."""
    if is_text(words):
        return " ".join(words)
    if words or not sys.stdin.isatty():
        data = b"".join(chunks(sys.stdin.fileno()))
        try:
            return data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise click.UsageError(
                f"stdin: expected UTF-8, got byte {data[error.start]:#04x} at {error.start}"
            ) from None
    return None


def written(run: Invocation, before: str) -> str:
    """Return what the user makes of a text in the editor, which is kept if the editor fails."""
    if not run.out.asks:
        raise click.UsageError("give the text, or - to read it from stdin")
    given = before if not before or before.endswith("\n") else f"{before}\n"
    path = _file_with(given)
    # The editor decides what CTRL-C does. Unlike an ignored signal, this is not inherited.
    interrupted = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        click.edit(filename=str(path))
        edited = path.read_bytes().decode()
    except (click.ClickException, OSError, UnicodeDecodeError) as error:
        if path.exists() and path.read_bytes() != given.encode():
            _say_kept(path)
        else:
            path.unlink(missing_ok=True)
        if isinstance(error, UnicodeDecodeError):
            raise click.ClickException("the editor has not written UTF-8") from None
        raise
    finally:
        signal.signal(signal.SIGINT, interrupted)
    path.unlink()
    if edited == given:
        return before
    return edited if before.endswith("\n") else edited.removesuffix("\n").removesuffix("\r")


def _file_with(content: str) -> Path:
    """Return a new file of this user with a text."""
    number, name = tempfile.mkstemp(prefix="tenets-note-", suffix=".md")
    with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
        file.write(content)
    return Path(name)


def _say_kept(path: Path) -> None:
    click.echo(f"tenets-session: the text is kept in {path}", err=True)


@contextmanager
def kept(content: str, *, is_safe: bool) -> Iterator[None]:
    """Keep a text in a file if the block fails: nobody should have to write it again.

    ``is_safe``: the user still has it.
    """
    try:
        yield
    except (CallError, DisconnectedError):
        if not is_safe:
            try:
                _say_kept(_file_with(content))
            except OSError as problem:
                click.echo(f"tenets-session: the text cannot be kept either: {problem}", err=True)
        raise
