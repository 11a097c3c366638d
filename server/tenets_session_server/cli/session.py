"""The entry point of ``tenets-session``: prompts and completions first, then everything else."""

from __future__ import annotations

import sys

from tenets_session_server import import_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    import_path.protect()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from tenets_session_server.cli import quick

        status = quick.run(given)
        if status is not None:
            return status
        from tenets_session_server.cli import app
    except KeyboardInterrupt:  # while modules are imported
        return 1
    return app.run(given)
