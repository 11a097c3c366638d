"""Which command lines are those of a hook, also with a mistake in them.

An agent runs them, and may refuse a prompt if one fails. So no mistake makes a hook fail.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from tenets_session_server.agents import hook


def is_hook(arguments: Sequence[str], with_value: Collection[str], verbs: Collection[str]) -> bool:
    """Tell whether these arguments are those of a hook, or would be without a mistake.

    ``with_value`` are the options before the verb that have a value.
    """
    verb = _verb(arguments, with_value)
    if verb in verbs:
        return verb == "hook"
    # An option has taken "hook" for its value, or one that is not known has a value. A mistyped
    # verb is told, whatever follows it.
    is_named = any(
        one == "hook" and other in hook.AUTHORS for one, other in itertools.pairwise(arguments)
    )
    return is_named and arguments[0].startswith("-")


def _verb(arguments: Sequence[str], with_value: Collection[str]) -> str | None:
    """Return the first argument that is no option, and no value of one."""
    remaining = iter(arguments)
    for argument in remaining:
        if not argument.startswith("-"):
            return argument
        if argument in with_value:
            next(remaining, None)
    return None
