"""What the tools of an agent do.

A tool returns an object for programs and a text for the model. Both have what others wrote as data:
masked, bounded, in the text quoted as :mod:`.digest` does it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tenets_session_server.agents import calling, digest, entries
from tenets_session_server.agents.calling import RefusedError
from tenets_session_server.agents.notes import Notes
from tenets_session_server.agents.tools import TOOLS, Json, Result
from tenets_session_server.client import text
from tenets_session_server.client.client import Client

LISTED: Final = 50
"""Sessions that are listed."""
FOUND: Final = 20
"""Hits of a search."""


class Tools:
    """The tools of one agent. ``connect`` returns a new client, which writes in its name.

    ``folder`` is the working directory. Without ``allow_switch`` there is no ``session_switch``.
    """

    def __init__(
        self, connect: Callable[[], Client], folder: str, *, allow_switch: bool = False
    ) -> None:
        self._connect, self._folder = connect, folder
        self._notes = Notes(folder)
        self.all = {one.name: one for one in TOOLS if allow_switch or one.name != "session_switch"}

    def call(self, name: str, given: Json) -> Result:
        """Call a tool. Raises :class:`RefusedError`."""
        self._check(name, given)
        run: Callable[..., Result] = getattr(self, f"_{name.removeprefix('session_')}")
        return calling.answered(self._connect, lambda call: run(call, given))

    def _check(self, name: str, given: Json) -> None:
        """Raise :class:`RefusedError` unless there is this tool, and it takes these arguments."""
        tool = self.all.get(name)
        if tool is None:
            off = "switching is off: the user turns it on with `tenets-session mcp --allow-switch`"
            raise RefusedError(off if name == "session_switch" else f"there is no tool {name}")
        problem = best_match(Draft202012Validator(tool.schema).iter_errors(given))
        if problem is not None:
            where = ".".join(str(one) for one in problem.absolute_path)
            raise RefusedError(f"{where}: {problem.message}" if where else problem.message)

    def _context(self, call: digest.Call, given: Json) -> Result:
        found, why = self._session(call, given.get("session"))
        session = {"name": entries.inert(found["name"]), "why": why}
        limit = given.get("limit", 20)
        if "since" in given:
            page = call("changes", sinceState=given["since"], sessionId=found["id"], limit=limit)
            return self._changes(call, page, session)
        page = call(
            "listContext",
            sessionId=found["id"],
            order="newest",
            limit=limit,
            cursor=given.get("cursor"),
            includeContent=False,
        )
        listed: list[Json] = page["entries"]
        if "cursor" not in given:
            handed_over = digest.newest(call, found["id"], 1, kind=digest.HANDOFF)
            listed = [*handed_over, *(one for one in listed if one not in handed_over)]
        shown, texts = entries.shown(call, listed)
        self._notes.saw(shown, page["state"])
        said = [digest.WARNING, *texts] if texts else ["It has no notes."]
        if page["nextCursor"] is not None:
            said.append(f"Older notes: cursor {page['nextCursor']}")
        return _result(session, page, said, entries=shown, nextCursor=page["nextCursor"])

    def _changes(self, call: digest.Call, page: Json, session: Json) -> Result:
        """Return the notes that changes are about."""
        last = {one["contextId"]: one["type"] for one in page["changes"] if "contextId" in one}
        removed = [one for one, kind in last.items() if kind == "contextRemoved"]
        ids = [one for one in last if one not in removed]
        listed: list[Json] = []
        if ids:
            listed = call("listContext", ids=ids, limit=len(ids), includeContent=False)["entries"]
        shown, texts = entries.shown(call, listed)
        self._notes.saw(shown, page["state"])
        said = [digest.WARNING, *texts] if texts else []
        if removed:
            said.append(f"Removed notes: {', '.join(map(str, removed))}.")
        if page["truncated"]:
            said.append(f"There is more: since {page['state']}")
        said = said or ["None of its notes has changed."]
        more = {"removed": removed, "isTruncated": page["truncated"]}
        return _result(session, page, said, entries=shown, **more)

    def _note(self, call: digest.Call, given: Json) -> Result:
        return self._notes.write(call, given)

    def _search(self, call: digest.Call, given: Json) -> Result:
        found = call("search", query=given["query"], sessionName=given.get("session"), limit=FOUND)
        hits: list[Json] = []
        lines: list[str] = []
        for hit in found["hits"]:
            entry = hit["entry"]
            name = entries.inert(hit["session"]["name"])
            if entry is None:
                hits.append({"session": name})
                lines.append(f"Session {digest.name(name)}")
                continue
            snippet = entries.snippet(call, hit)
            hits.append({"session": name, **entries.facts(entry), "snippet": snippet})
            heading = f"{digest.heading(entry)}, in session {digest.name(name)}"
            lines.append(f"{heading}:\n{digest.quoted(snippet)}")
        data = {"notice": digest.NOTICE, "hits": hits, "isIncomplete": found["isIncomplete"]}
        said = [digest.WARNING, *lines] if lines else ["Nothing was found."]
        if found["isIncomplete"]:
            said.append("There is more: add a word.")
        return Result(data, "\n\n".join(said))

    def _list(self, call: digest.Call, given: Json) -> Result:
        folder = os.path.join(self._folder, given.get("folder", ""))  # noqa: PTH118 - as it is
        current = call("getCurrent", folder=os.path.normpath(folder), includeMetadata=False)
        page = call(
            "list", order="recent", limit=LISTED, includeContextCount=True, includeMetadata=False
        )
        shown = current["session"]
        sessions = [
            {
                "name": entries.inert(one["name"]),
                "active": one["active"],
                "current": shown is not None and one["id"] == shown["id"],
                "notes": one["contextCount"],
                "createdAt": one["createdAt"],
            }
            for one in page["sessions"]
        ]
        data = {
            "current": None if shown is None else entries.inert(shown["name"]),
            "boundFolder": entries.inert(current["binding"]) or None,
            "sessions": sessions,
            "isIncomplete": page["nextCursor"] is not None or len(sessions) == LISTED,
        }
        lines = [
            f"- {digest.name(one['name'])}: {text.count(one['notes'], 'note')}"
            + (", active" if one["active"] else "")
            + (", current here" if one["current"] else "")
            for one in sessions
        ]
        return Result(data, "\n".join(lines) or "There is no session yet.")

    def _switch(self, call: digest.Call, given: Json) -> Result:
        session = call("setActive", name=given["name"])
        data = {"active": entries.inert(session["name"]), "state": session["state"]}
        return Result(data, f"Session {digest.name(session['name'])} is active in every editor.")

    def _session(self, call: digest.Call, name: str | None) -> tuple[Json, str]:
        """Return a session, and why it is that one."""
        if name is not None:
            found: Json | None = call("get", name=name, includeMetadata=False)
            if found is None:
                raise calling.no_session(name)
            return found, "active" if found["active"] else "not active"
        current = call("getCurrent", includeMetadata=False)
        if current["session"] is None:
            raise RefusedError(
                "no session is current: name one (session_list), or ask the user to switch to one"
            )
        return current["session"], digest.why(current["binding"])


def _result(session: Json, page: Json, said: list[str], **more: Any) -> Result:
    """Return the notes of a session, or what has changed of them."""
    data = {"notice": digest.NOTICE, "session": session, "state": page["state"], **more}
    head = f"Session {digest.name(session['name'])} ({session['why']}), state {page['state']}."
    return Result(data, "\n\n".join([head, *said]))
