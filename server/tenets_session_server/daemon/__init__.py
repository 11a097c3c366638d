"""Shared mode: one daemon per database serves all of a user's editors.

The command that an editor starts (:mod:`.shim`) hands its stdin, stdout and stderr over to the
daemon of its database (:mod:`.daemon`) and waits for the exit status. The daemon talks to the
editor's pipes itself. The command uses :mod:`.shim`, :mod:`.launch`, :mod:`.address` and
:mod:`.control` only: the standard library, and little of that.
"""
