"""Shared mode: one process serves all of a user's editors, and the commands that lead them there.

The command that an editor starts (:mod:`.shim`) hands its stdin, stdout and stderr over to the
process of its database and waits for the exit status. That process (:mod:`.process`) then talks to
the editor's pipes itself.

The command's side, up to :mod:`.launch`, imports the standard library only, and little of that.
"""
