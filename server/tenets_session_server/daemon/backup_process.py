"""A process that makes one backup for a daemon: at the lowest priority, and easy to end.

In a thread of the daemon, checking a gigabyte would delay others' commits: the ninety-ninth
percentile is three times as long. It prints the path of the backup, or ``problem=`` and a sentence.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.storage.sqlite import automatic_backup

PROBLEM = "problem="


def main() -> int:
    """Make a backup of the database that the last argument names, if one is due."""
    if hasattr(os, "nice"):
        os.nice(19)
    try:
        made = automatic_backup.make(Path(sys.argv[-1]))
    except DatabaseBusyError:
        return 0  # the next look tries again
    except (DatabaseError, OSError) as error:
        print(f"{PROBLEM}{error}")
        return 1
    if made is not None:
        print(made)
    return 0
