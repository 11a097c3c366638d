"""Where modules are imported from: Python's library and this installation come first.

Python looks into the folder of the script (or the working directory) and into those of PYTHONPATH
before its own library. A ``select.py`` beside the command, or a ``pygls`` in one of them, would be
imported instead of the real one, into a process that serves other editors as well.
"""

from __future__ import annotations

import os
import sys


def protect() -> None:
    """Move the folders that the start and the environment have added to the end of ``sys.path``.

    They are not removed: some distributions have the packages that we need in PYTHONPATH. The
    folder of this package stays before all other packages.
    """
    added: set[str] = set()
    if not sys.flags.safe_path:
        added.add(sys.path[0])
    if not sys.flags.ignore_environment:
        folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        added |= {os.path.abspath(folder) for folder in folders if folder}
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    library = os.path.dirname(os.__file__)
    first = [folder for folder in sys.path if folder not in added]
    last = [folder for folder in sys.path if folder in added]
    if own in last:
        last.remove(own)
        of_library = (library, os.path.join(library, "lib-dynload"))
        known = [position for position, folder in enumerate(first) if folder in of_library]
        first.insert(max(known, default=-1) + 1, own)
    sys.path[:] = first + last
