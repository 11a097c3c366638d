"""The entry point of ``tenets-session-server``: first its import path, then :mod:`.command`."""

from __future__ import annotations

import os

from tenets_session_server import import_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parent = os.getppid()  # now: it may end while we are still starting
    import_path.protect()
    from tenets_session_server.cli import command

    return command.run(arguments, parent)
