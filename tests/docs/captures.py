"""What ``tenets-session`` prints on a terminal, for the documents: run for real."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final

from support.people import Person, Terminal

COLUMNS: Final = 76
LINES: Final = (
    "tenets-session create --switch 'fix login'",
    "tenets-session note --at auth.py:3-7 'the token is refreshed twice'",
    "tenets-session note 'the clock of the server is 40 s ahead'",
    "tenets-session",
    "tenets-session search tok",
    "tenets-session list",
    "tenets-session delete --yes 'fix login'",
)


def recorded() -> str:
    """Return the lines with what each of them prints, as a block of Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "app")
        person = Person(Path(name, "tenets.db"), folder, PAGER="cat", NO_COLOR="1")
        person.does("--database", str(person.database), "create", "review parser")
        parts = list[str]()
        for line in LINES:
            command = line.replace("tenets-session", f"tenets-session --database {name}/tenets.db")
            with Terminal(
                ["sh", "-c", command], person.environment, folder, columns=COLUMNS
            ) as terminal:
                status, shown = terminal.end()
            assert status == 0, shown
            shown = re.sub(r"\d+ seconds? ago", "just now", shown).replace(str(folder), "/work/app")
            kept = [one.rstrip() for one in shown.rstrip().splitlines()]
            parts.append("\n".join([f"$ {line}", *kept]))
    return "```\n" + "\n\n".join(parts) + "\n```\n"
