"""The notes that an agent writes: how many, where, and which of its own it may replace.

All windows of an agent write under one name, so the key of a note does not tell which window wrote
it. And a person may have edited it. So a note is replaced only if its present text is what this
process wrote, or has shown to its agent; a state of the database (``ifState``) proves that.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tenets_session_server import masking
from tenets_session_server.agents import digest, entries
from tenets_session_server.agents.calling import RefusedError
from tenets_session_server.agents.tools import Json, Result
from tenets_session_server.client import text
from tenets_session_server.client.client import CallError

LARGEST: Final = 64 * 1024
"""Bytes of a note that an agent may write; so it can be shown whole what it may replace."""
NOTES_A_MINUTE: Final = 30
_URI: Final = re.compile(r"file:/|[a-z][a-z0-9+.-]+://", re.IGNORECASE)


class Notes:
    """Writes the notes of one agent, which works in a folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._rate = _Rate()
        self._states: dict[int, str] = {}  # when the agent knew the text of a note, by its id

    def write(self, call: digest.Call, given: Json) -> Result:
        """Add a note, or replace the one of its key; raises :class:`RefusedError`."""
        content = _checked(given["content"])
        note = {
            "content": content,
            "kind": given.get("kind"),
            "location": _location(self._folder, given["location"]) if "location" in given else None,
        }
        with self._rate.counted():
            added = self._put(call, note, given.get("session"), given.get("key"))
        said = f"Note {added['id']} is in {_where(added)}."
        if (warning := masking.warning(content)) is not None:
            said += f" Warning: {warning}. Tell the user."
        data = {
            "id": added["id"],
            "session": entries.inert(added["sessionName"]),
            "isNewSession": added["sessionCreated"],
            "state": added["state"],
            "warning": warning,
        }
        return Result(data, said)

    def saw(self, shown: list[Json], state: str) -> None:
        """Remember which notes the agent was shown whole, as they were in a state or later."""
        self._states |= {one["id"]: state for one in shown if not one["isCut"]}

    def _put(self, call: digest.Call, note: Json, session: str | None, key: str | None) -> Json:
        """Return the reply of ``addContext``, with the state after this note was written."""
        new = {**note, "kind": note["kind"] or "note"}
        added: Json = call("addContext", sessionName=session, identityKey=key, **new)
        state = added["state"]
        if added["duplicate"]:
            state = self._replace(call, added["id"], note)
        if key is not None:
            self._states[added["id"]] = state
        return {**added, "state": state}

    def _replace(self, call: digest.Call, entry_id: int, note: Json) -> str:
        """Replace a note whose text the agent knows; return the state after that."""
        present = _present(call, entry_id)
        is_equal = present["nextOffset"] is None and present["content"] == note["content"]
        if is_equal and _says_the_same(present, note):
            return str(present["state"])  # the same request again, for instance
        known = present["state"] if is_equal else self._states.get(entry_id)
        if known is None:
            raise self._shown(present)
        try:
            return str(call("updateContext", id=entry_id, ifState=known, **note)["state"])
        except CallError as error:
            if error.kind != "conflict":
                raise
        raise self._shown(_present(call, entry_id))

    def _shown(self, present: Json) -> RefusedError:
        """Return the error that shows the agent a note which it may replace after that."""
        is_cut = present["nextOffset"] is not None
        if is_cut:
            what = "It is too large to be shown whole, so give your note another key."
        else:
            self._states[present["id"]] = present["state"]
            what = "To replace it, call session_note again with the same key."
        content = text.block(masking.masked(present["content"]))
        if is_cut:
            content = content[: digest.LARGEST]
        return RefusedError(
            f"Note {present['id']} has this key, and was not changed: you may not know its present"
            f" text. {what} {digest.WARNING}\n\n"
            + digest.with_heading(present, content, is_cut=is_cut)
        )


class _Rate:
    """How many notes may be written."""

    def __init__(self) -> None:
        self._written: deque[float] = deque(maxlen=NOTES_A_MINUTE)
        self._counting = threading.Lock()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a note, unless the block fails; calls may run at the same time."""
        now = time.monotonic()
        with self._counting:
            if len(self._written) == NOTES_A_MINUTE and now - self._written[0] < 60:
                wait = int(60 - (now - self._written[0])) + 1
                raise RefusedError(
                    f"{NOTES_A_MINUTE} notes a minute are the limit: put more into one note, or"
                    f" wait {wait} s"
                )
            self._written.append(now)
        try:
            yield
        except BaseException:
            with self._counting:
                self._written.remove(now)
            raise


def _checked(content: str) -> str:
    size = len(content.encode("utf-8", "replace"))
    if size > LARGEST:
        raise RefusedError(
            f"the note has {size:,} bytes, more than {LARGEST:,}: write a shorter one,"
            " or refer to a file"
        )
    if not content.strip():
        raise RefusedError("the note is blank: give it a text")
    return content


def _location(folder: str, given: Json) -> Json:
    location: Json = {"uri": _uri(folder, given["file"])}
    first = given.get("line")
    last = given.get("endLine", first)
    if last is not None:
        if first is None or last < first:
            raise RefusedError("location: expected line, and endLine not before it")
        location["range"] = {
            "start": {"line": first - 1, "character": 0},
            "end": {"line": last, "character": 0},
        }
    return location


def _uri(folder: str, file: str) -> str:
    """Return the URI of a file, which is given by a path or a URI."""
    if not file.strip():
        raise RefusedError("location.file is empty: name a file, or leave out location")
    if _URI.match(file):
        return file
    if file.lower().startswith("file:"):
        raise RefusedError("location.file: expected a path, or a URI such as file:///work/a.py")
    path = os.path.join(folder, file)  # noqa: PTH118 - it stays as it is
    return Path(os.path.normpath(path)).as_uri()


def _where(added: Json) -> str:
    name = digest.name(added["sessionName"])
    if added["sessionCreated"]:
        return f"session {name}, which is new; session_list names the others"
    return f"session {name}"


def _present(call: digest.Call, entry_id: int) -> Json:
    """Return a note as it is, with its state; its content as far as an agent may write one."""
    found: Json | None = call("getContext", id=entry_id, maxBytes=LARGEST)
    if found is None:
        raise RefusedError(f"note {entry_id} was removed just now: call session_note again")
    return found


def _says_the_same(present: Json, note: Json) -> bool:
    """Tell whether a note has a kind and a location already; what is not given stays."""
    if note["kind"] not in {None, present["kind"]}:
        return False
    there = present.get("location", {})
    return note["location"] is None or all(
        note["location"].get(one) == there.get(one) for one in ("uri", "range")
    )
