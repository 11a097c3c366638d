"""Runs a command in a sandbox of Landlock (landlock(7)), which does not show in access(2).

``python sandbox.py FOLDER COMMAND...``: nothing below the folder may be written.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_NO_NEW_PRIVILEGES = 38
_PATH_BENEATH = 1
_WRITE_FILE, _REMOVE_FILE, _MAKE_REGULAR = 1 << 1, 1 << 5, 1 << 8


def command(folder: Path, arguments: list[str]) -> list[str]:
    """Return the command that runs another one so."""
    return [sys.executable, __file__, str(folder), *arguments]


def _call(number: int, *arguments: object) -> int:
    result = int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "this system has no Landlock, or refuses it")
    return result


def _restrict(folder: Path) -> None:
    """Allow writing everywhere but below the folder: in all that stand beside it on its path."""
    handled = _WRITE_FILE | _REMOVE_FILE | _MAKE_REGULAR
    attributes = struct.pack("=Q", handled)
    rules = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    for parent in folder.parents:
        for beside in parent.iterdir():
            if beside == folder or beside in folder.parents:
                continue
            try:
                descriptor = os.open(beside, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            allowed = handled if beside.is_dir() else _WRITE_FILE
            if not beside.is_symlink():
                rule = struct.pack("=Qi", allowed, descriptor)
                _call(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
            os.close(descriptor)
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _call(_RESTRICT_SELF, rules, 0)


if __name__ == "__main__":
    _restrict(Path(sys.argv[1]).resolve())
    os.execv(sys.argv[2], sys.argv[2:])
