"""Where the database is when none is named, from the environment alone.

Here rather than in :mod:`.config` because the command asks before anything else, and is done in the
time that Python takes to start: this module imports next to nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

CACHE_DIRECTORY_VARIABLE: Final = "TENETS_CACHE_DIRECTORY"
DATABASE_FILE_NAME: Final = "tenets.db"


def default_cache_directory(environment: Mapping[str, str] | None = None) -> str:
    """Return the absolute directory that holds ``tenets.db`` when none is named.

    ``environment`` stands in for ``os.environ``. Creates nothing. Raises RuntimeError where there
    is no home directory, and OSError where there is no working directory to start from.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(CACHE_DIRECTORY_VARIABLE, "").strip()
    if named:
        return absolute(named)
    command_line = os.path.join(home(), ".tenets", "cache")
    if os.path.exists(os.path.join(command_line, DATABASE_FILE_NAME)):
        return command_line
    return user_cache_directory("tenets")


def user_cache_directory(name: str) -> str:
    """Return this user's own folder for ``name``'s caches, which may not exist yet.

    As platformdirs' ``user_cache_path`` does; that takes as long to import as all the rest.
    """
    if sys.platform == "win32":  # in the registry
        from platformdirs import user_cache_path

        return str(user_cache_path(name, appauthor=False))
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(home(), *_CACHES)
    return os.path.join(base, name)


def home() -> str:
    """Return the user's home directory; raises RuntimeError where there is none."""
    found = os.path.expanduser("~")
    if not os.path.isabs(found):
        raise RuntimeError("Could not determine home directory.")
    return found


def absolute(path: str) -> str:
    """Return a path from the root, with ``~`` expanded and nothing else changed.

    Raises RuntimeError for the home of an unknown user, and OSError where there is no working
    directory.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise RuntimeError("Could not determine home directory.")
    return expanded if os.path.isabs(expanded) else os.path.join(os.getcwd(), expanded)


_CACHES: Final = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
