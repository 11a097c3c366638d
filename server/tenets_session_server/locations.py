"""Where the database is by default, from the environment alone.

Apart from :mod:`.config` because every start of the command needs it, and takes no longer than
Python's own: this module imports next to nothing.
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
    """Return the absolute path of the directory that holds ``tenets.db`` by default.

    This is ``$TENETS_CACHE_DIRECTORY`` if it is set, else the directory of the ``tenets`` command
    line's database if that exists, else the user's cache directory. ``environment`` replaces
    ``os.environ``. Creates nothing. Raises RuntimeError without a home directory, and OSError
    without a working directory.
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
    """Return this user's cache directory of a program, which may not exist yet.

    The same as ``platformdirs.user_cache_path``, which takes as long to import as all the rest.
    Raises RuntimeError without a home directory.
    """
    if sys.platform == "win32":  # in the registry
        from platformdirs import user_cache_path

        return str(user_cache_path(name, appauthor=False))
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(home(), *_CACHES)
    return os.path.join(base, name)


def home() -> str:
    """Return the user's home directory; raises RuntimeError if there is none."""
    found = os.path.expanduser("~")
    if not os.path.isabs(found):
        raise RuntimeError("cannot determine the home directory")
    return found


def absolute(path: str) -> str:
    """Return a path as an absolute one, with ``~`` expanded and nothing else changed.

    Raises RuntimeError for the home of an unknown user, and OSError without a working directory.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise RuntimeError("cannot determine the home directory")
    return expanded if os.path.isabs(expanded) else os.path.join(os.getcwd(), expanded)


_CACHES: Final = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
