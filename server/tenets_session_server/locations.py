"""Where the database is by default, from the environment alone.

Apart from :mod:`.config` because every start of the command needs it, and takes no longer than
Python's own: this module imports next to nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

CACHE_DIRECTORY_VARIABLE: Final = "TENETS_CACHE_DIRECTORY"
DATABASE_FILE_NAME: Final = "tenets.db"
BY_OPTION: Final = "named by --database"


def locate(database: str | None) -> tuple[str, str]:
    """Return the absolute path of the database, and why it is that file, as a few words.

    ``database`` is the one that ``--database`` names, None without it. Creates nothing. Raises
    RuntimeError without a home directory, and OSError without a working directory.
    """
    if database is not None:
        return absolute(database), BY_OPTION
    named = os.environ.get(CACHE_DIRECTORY_VARIABLE, "").strip()
    if named:
        path = os.path.join(absolute(named), DATABASE_FILE_NAME)
        return path, f"named by {CACHE_DIRECTORY_VARIABLE}"
    return os.path.join(home(), *_CACHE_OF_TENETS, DATABASE_FILE_NAME), "the default"


def default_cache_directory() -> str:
    """Return the absolute path of the directory that holds ``tenets.db`` by default.

    This is ``$TENETS_CACHE_DIRECTORY`` if it is set, else that of the ``tenets`` command line.
    Raises as :func:`locate` does.
    """
    return os.path.dirname(locate(None)[0])


def former_database(path: str) -> str | None:
    """Return where the default database of earlier versions is; None if ``path`` is another one.

    They used the user's cache directory, which cleaners may empty.
    """
    folder, name = os.path.split(path)
    try:
        default = os.path.join(home(), *_CACHE_OF_TENETS)
        former = os.path.join(user_cache_directory("tenets"), DATABASE_FILE_NAME)
    except RuntimeError:  # no home directory
        return None
    is_default = os.path.realpath(folder) == os.path.realpath(default)
    return former if is_default and name == DATABASE_FILE_NAME else None


def other_databases(path: str) -> list[str]:
    """Return where else sessions may be: in the default places of all versions, and as named."""
    try:
        folders = [os.path.join(home(), *_CACHE_OF_TENETS), user_cache_directory("tenets")]
    except RuntimeError:  # no home directory
        folders = []
    if named := os.environ.get(CACHE_DIRECTORY_VARIABLE, "").strip():
        folders.append(absolute(named))
    found = dict.fromkeys(os.path.join(folder, DATABASE_FILE_NAME) for folder in folders)
    return [one for one in found if one != path]


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


def state_directory() -> str:
    """Return the directory of what this program remembers for the user; it may not exist yet.

    The same as ``platformdirs.user_state_path``. Raises RuntimeError without a home directory.
    """
    if sys.platform == "win32":  # in the registry
        from platformdirs import user_state_path

        return str(user_state_path(_PROGRAM, appauthor=False))
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base) or sys.platform == "darwin":
        base = os.path.join(home(), *_STATES)
    return os.path.join(base, _PROGRAM)


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


_PROGRAM: Final = "tenets-session-server"
_STATES: Final = (
    ("Library", "Application Support") if sys.platform == "darwin" else (".local", "state")
)
_CACHE_OF_TENETS: Final = (".tenets", "cache")
_CACHES: Final = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
