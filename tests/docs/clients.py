"""Generates the types and methods of the clients in client_examples.

    python tests/docs/clients.py --write

They come from the table of methods and the JSON Schema of the messages (:mod:`docs.schema`). For
Python it writes all of ``tenets_session_types.py``. For Node it writes the declarations of
``tenets-session-client.d.mts``, and the names of the methods that only read in
``tenets-session-client.mjs``; what stands outside of the two marks there is written by hand.
Without ``--write`` the files that are out of date are named, and the exit status is 1.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs import reference, schema
from tenets_session_server.methods.changes import DID_CHANGE
from tenets_session_server.methods.method import Method
from tenets_session_server.methods.table import METHODS

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / "client_examples" / "python" / "tenets_session_types.py"
NODE: Final = ROOT / "client_examples" / "node" / "tenets-session-client.mjs"
DECLARATIONS: Final = NODE.with_suffix(".d.mts")
FILES: Final = (PYTHON, NODE, DECLARATIONS)
COMMAND: Final = "python tests/docs/clients.py --write"
_BLOCK: Final = re.compile(r"(// <generated>\n)(.*?)(// </generated>\n)", re.DOTALL)
_WIDTH: Final = 100
Json = dict[str, Any]


def python_name(name: str) -> str:
    """Return a wire name as Python has it: ``addContext`` is ``add_context``."""
    plain = re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def fresh(file: Path) -> str:
    """Return the text that a file should have."""
    if file == PYTHON:
        return _python()
    make = _reads_of_node if file == NODE else _declarations
    text = file.read_text(encoding="utf-8")
    assert _BLOCK.search(text), f"{file.name} has lost its mark // <generated>"
    return _BLOCK.sub(lambda block: f"{block[1]}{make()}{block[3]}", text, count=1)


def is_stale(file: Path) -> bool:
    """Tell whether a file is not as it should be."""
    return not file.exists() or file.read_text(encoding="utf-8") != fresh(file)


# -- what both have in common --------------------------------------------------------------------


@cache
def _document() -> Json:
    return schema.document()


@cache
def _types() -> dict[str, Json]:
    """Return the objects of the schema by their names, without the module in front of some."""
    found: dict[str, Json] = {}
    for name, component in _document()["$defs"].items():
        found.setdefault(name.rpartition(".")[2], component)
    return dict(sorted(found.items()))


def _params(method: Method[Any]) -> Json:
    return _types()[_name(_document()["requests"][method.name]["params"])]


def _name(reference_to: Json) -> str:
    name: str = reference_to["$ref"].rpartition("/")[2]
    return name.rpartition(".")[2]


def _about(member: Json) -> str:
    """Return the description of a member, and its default."""
    parts = [member, *member.get("anyOf", [])]
    told = next((part["description"] for part in parts if "description" in part), "")
    told = re.sub(r"\[([^]]+)\]\(#\w+\)", r"\1", told)
    if member.get("default") is not None:
        told += f" (default: {json.dumps(member['default'])})"
    return told


def _members(component: Json) -> Iterator[tuple[str, Json, bool]]:
    """Yield the name of each member, its schema, and whether it is always there."""
    for name, member in component["properties"].items():
        yield name, member, name in component.get("required", ())


def _union(member: Json, name_of: Callable[[Json], str]) -> str:
    return " | ".join(dict.fromkeys(name_of(one) for one in member["anyOf"]))


def _reads() -> list[str]:
    return [method.name for method in METHODS if not method.writes]


def _kinds() -> list[str]:
    alternatives = _document()["errors"]["-32803"]["data"]["anyOf"]
    return [one["properties"]["kind"]["const"] for one in alternatives]


# -- Python --------------------------------------------------------------------------------------

_PYTHON_HEADER: Final = f'''"""The protocol's types and methods, for ``tenets_session_client.py``.

Generated; do not edit it. In the project it is renewed by ``{COMMAND}``.
A ``TypedDict`` is a plain ``dict``; the names of its members are those on the wire.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Literal, NotRequired, TypedDict

'''

_PYTHON_CLASSES: Final = '''

class Requests:
    """What the classes below send their requests with. A param that is None is not sent."""

    async def session(self, verb: str, params: Mapping[str, Any] | None = None) -> Any:
        """Send the request ``tenets/session.<verb>`` and return its result."""
        raise NotImplementedError


class SessionMethods(Requests):
    """Every method of the protocol. Results are what the server has replied."""
'''
_PYTHON_SHORTCUTS: Final = '''

class SessionShortcuts(Requests):
    """The usual methods, shorter to write: some params by position, and only what is asked for."""
'''

_SHORTCUTS: Final = (
    ("create", "create", "name metadata=", "active", ""),
    ("get", "get", "name", "", ""),
    ("get_active", "getActive", "", "", ""),
    ("set_active", "setActive", "name", "active", ""),
    ("update_metadata", "updateMetadata", "name updates", "", ""),
    ("add_context", "addContext", "sessionName? kind content", "location identityKey replace", ""),
    ("update_context", "updateContext", "id:entry_id content=", "kind ifState", ""),
    ("remove_context", "removeContext", "id:entry_id", "ifState", "removed"),
    ("delete", "delete", "name", "purgeContext", "deleted"),
    ("delete_all", "deleteAll", "", "purgeContext", "deleted"),
    ("search", "search", "query", "sessionName limit", "hits"),
    ("restore", "restore", "id:item_id", "newName replace", "sessions"),
    ("rename", "rename", "name newName", "", ""),
    ("copy", "copy", "name newName", "overwrite", ""),
    ("reset", "reset", "name", "", ""),
    ("current", "getCurrent", "folder=", "", ""),
    ("bind", "bind", "name? folder=", "", ""),
    ("import_sessions", "import", "content onConflict=", "", "imported"),
)
"""Name, method, params by position and by name, and the member of the result that is returned.

A ``=`` after a param says that it may be left out, a ``?`` that it may be None; after a ``:`` is
its name.
"""
_PAGES: Final = (
    ("list", "list", "active namePrefix order includeContextCount limit", "sessions"),
    ("entries", "listContext", "sessionName", "entries"),
    ("trash", "listTrash", "", "items"),
)
"""Name, method, params by name, and the member of each page whose items are yielded."""


def _python() -> str:
    parts = [_PYTHON_HEADER]
    parts.append(f"ErrorKind = {_literal(_kinds(), 0)}\n")
    parts.append('"""The kinds of :class:`SessionError`."""\n\n')
    parts.append(
        f"READS: Final = frozenset(\n    {{\n{_lines(_reads(), 8)}    }}\n)\n"
        '"""The methods that change nothing, so that they can be sent again."""\n'
    )
    parts += [_typed_dict(name, component) for name, component in _types().items()]
    batch = _name(_document()["notifications"][DID_CHANGE]["params"])
    parts.append(f'\n\nDidChange = {batch}\n"""The params of the notification ``{DID_CHANGE}``."""')
    parts.append("\n\nSessionName = FoundSession\nHit = SearchHit\n")
    parts.append('"""The names that these types had before."""\n')
    parts.append(_PYTHON_CLASSES)
    parts += [_python_method(method) for method in METHODS]
    parts.append(_PYTHON_SHORTCUTS)
    parts += [_python_shortcut(*row) for row in _SHORTCUTS]
    parts += [_python_pages(*row) for row in _PAGES]
    return "".join(parts)


def _typed_dict(name: str, component: Json) -> str:
    lines = [f"\n\nclass {name}(TypedDict):\n", _docstring(component["description"], 4)]
    for member, of, always in _members(component):
        annotation = _python_type(of, len(member) + 6)
        given = annotation if always else f"NotRequired[{annotation}]"
        lines.append(f"{'' if len(lines) > 2 else chr(10)}    {member}: {given}\n")
        if about := _about(of):
            lines.append(_docstring(about, 4))
    return "".join(lines)


NULL_IS_REFUSED: Final = {"emptyTrash"}
"""Methods whose one param may be left out, and not null: a ``trashId`` that is null would mean the
whole trash."""


def _python_method(method: Method[Any]) -> str:
    members = sorted(_members(_params(method)), key=lambda member: not member[2])
    signature = [
        (member, python_name(member), _python_param(of), "" if always else " = None")
        for member, of, always in members
    ]
    if method.verb in NULL_IS_REFUSED:
        signature = [
            (member, name, f'{annotation.removesuffix(" | None")} | Literal["all"]', "")
            for member, name, annotation, _ in signature
        ]
    result = _python_type(_document()["requests"][method.name]["result"])
    return "".join(
        [
            _signature("async def", python_name(method.verb), [], signature, result),
            _python_about(method, signature),
            *_request(method, signature, result, "return result"),
        ]
    )


def _python_shortcut(name: str, verb: str, by_position: str, by_name: str, returned: str) -> str:
    method = next(method for method in METHODS if method.verb == verb)
    members = _params(method)["properties"]
    positional, keywords = [], []
    for given in by_position.split():
        member, _, named = given.rstrip("=?").partition(":")
        annotation = _python_param(members[member])
        if given[-1] not in "=?":
            annotation = annotation.removesuffix(" | None")
        default = " = None" if given.endswith("=") else ""
        positional.append((member, named or python_name(member), annotation, default))
    for member in by_name.split():
        annotation = _python_param(members[member])
        keywords.append((member, python_name(member), annotation, " = None"))
    result = told = _python_type(_document()["requests"][method.name]["result"])
    if returned:
        told = _python_type(_types()[result]["properties"][returned]).replace("list[", "Sequence[")
    signature = [*positional, *keywords]
    end = f'return result["{returned}"]' if returned else "return result"
    return "".join(
        [
            _signature("async def", name, positional, keywords, told),
            _python_about(method, signature),
            *_request(method, signature, result, end),
        ]
    )


def _python_pages(name: str, verb: str, by_name: str, yielded: str) -> str:
    method = next(method for method in METHODS if method.verb == verb)
    members = _params(method)["properties"]
    signature = [
        (member, python_name(member), _python_param(members[member]), " = None")
        for member in by_name.split()
    ]
    result = _python_type(_document()["requests"][method.name]["result"])
    item = _python_type(_types()[result]["properties"][yielded]["items"])
    params = "".join(f'            "{member}": {name},\n' for member, name, *_ in signature)
    return (
        _signature("async def", name, [], signature, f"AsyncIterator[{item}]")
        + _docstring(f"Yield what ``{verb}`` returns, of all pages.", 8)
        + f"        params: dict[str, Any] = {{\n{params}        }}\n".replace("{\n        }", "{}")
        + "        while True:\n"
        + f'            page: {result} = await self.session("{verb}", params)\n'
        + f'            for item in page["{yielded}"]:\n                yield item\n'
        + '            params["cursor"] = page["nextCursor"]\n'
        + '            if params["cursor"] is None:\n                return\n'
    )


_Param = tuple[str, str, str, str]
"""The name of a param on the wire and in Python, its type there, and its default."""


def _signature(
    start: str, name: str, positional: list[_Param], keywords: list[_Param], result: str
) -> str:
    if not positional and not keywords:
        return f"\n    {start} {name}(self) -> {result}:\n"
    lines = [*positional, *([("", "*", "", "")] if keywords else []), *keywords]
    params = "".join(
        f"        {name}{': ' if annotation else ''}{annotation}{default},\n"
        for _, name, annotation, default in lines
    )
    return f"\n    {start} {name}(\n        self,\n{params}    ) -> {result}:\n"


def _python_about(method: Method[Any], signature: list[_Param]) -> str:
    members = _params(method)["properties"]
    about = [reference.first_sentence(method.handler).replace("`", "``")]
    if signature:
        about.append("")
    for member, name, annotation, _ in signature:
        about.append(f"- ``{name}``: {_about(members[member]) or 'see ' + annotation.split()[0]}")
    return _docstring("\n".join(about), 8)


def _request(method: Method[Any], signature: list[_Param], result: str, end: str) -> Iterator[str]:
    if method.verb in NULL_IS_REFUSED:
        ((member, name, *_),) = signature
        yield f'        params = {{}} if {name} == "all" else {{"{member}": {name}}}\n'
    elif signature:
        yield "        params = {\n"
        yield from (f'            "{member}": {name},\n' for member, name, *_ in signature)
        yield "        }\n"
    asked = f'self.session("{method.verb}"{", params" if signature else ""})'
    yield f"        result: {result} = await {asked}\n        {end}\n"


def _python_param(member: Json) -> str:
    """Return the type of a param in a method; paths are taken as well, where one is expected."""
    found = _python_type(member, 20).replace("list[", "Sequence[")
    is_path = _about(member) == "a URI or an absolute path"
    return found.replace("str", "str | os.PathLike[str]", 1) if is_path else found


def _python_type(member: Json, indent: int = 0) -> str:
    if "$ref" in member:
        return _name(member)
    if "anyOf" in member:
        return _union(member, lambda one: _python_type(one, indent))
    if "enum" in member or "const" in member:
        return _literal(member.get("enum") or [member["const"]], indent)
    if member["type"] == "array":
        return f"list[{_python_type(member['items'])}]"
    if member["type"] == "object":
        values = member.get("additionalProperties")
        return f"dict[str, {_python_type(values) if values else 'Any'}]"
    names = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
    return names.get(member["type"], "None")


def _literal(values: list[Any], indent: int) -> str:
    line = f"Literal[{', '.join(map(json.dumps, values))}]"
    if indent + len(line) < _WIDTH - 30:
        return line
    margin = 4 if indent else 0
    return f"Literal[\n{_lines(values, margin + 4)}{' ' * margin}]"


def _lines(values: list[Any], indent: int) -> str:
    return "".join(f"{' ' * indent}{json.dumps(value)},\n" for value in values)


def _docstring(text: str, indent: int) -> str:
    """Return a docstring; each line of the text is wrapped."""
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)
    text = f"{text[0].upper()}{text[1:]}" if text[0].islower() else text
    text = text if text.endswith((".", ")", "!")) or "\n" in text else f"{text}."
    assert "\\" not in text
    margin = " " * indent
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        room = _WIDTH - indent - (3 if number == 0 else 0)
        lines += textwrap.wrap(line, room, subsequent_indent="  " * line.startswith("- ")) or [""]
    if len(lines) == 1 and len(lines[0]) + indent + 6 <= _WIDTH and not lines[0].endswith('"'):
        return f'{margin}"""{lines[0]}"""\n'
    body = "\n".join(f"{margin}{line}" if line else "" for line in lines[1:])
    return f'{margin}"""{lines[0]}\n{body}{chr(10) if body else ""}{margin}"""\n'


# -- Node ----------------------------------------------------------------------------------------


def _reads_of_node() -> str:
    verbs = ", ".join(json.dumps(method.verb) for method in METHODS if not method.writes)
    lines = textwrap.fill(f"{verbs},", _WIDTH, initial_indent="  ", subsequent_indent="  ")
    return f"const READS = new Set([\n{lines}\n]);\n"


def _declarations() -> str:
    parts = ["/** The kinds of errors that the server tells. */\nexport type ErrorKind =\n"]
    parts.append("\n".join(f"  | {json.dumps(kind)}" for kind in _kinds()) + ";\n")
    parts += [_interface(name, component) for name, component in _types().items()]
    batch = _name(_document()["notifications"][DID_CHANGE]["params"])
    parts.append(f"\n/** The params of the notification `{DID_CHANGE}`. */\n")
    parts.append(f"export type DidChange = {batch};\n")
    about = "Every method of the protocol. Results are what the server has replied."
    parts.append(f"\n/** {about} */\n")
    parts.append("export interface SessionMethods {\n")
    parts.append("\n".join(map(_node_method, METHODS)))
    parts.append("}\n")
    return "".join(parts)


def _interface(name: str, component: Json) -> str:
    lines = [f"\n{_comment(component['description'], 0)}export interface {name} {{\n"]
    for member, of, always in _members(component):
        if about := _about(of):
            lines.append(_comment(about, 2))
        lines.append(f"  {member}{'' if always else '?'}: {_node_type(of)};\n")
    return "".join([*lines, "}\n"])


def _node_method(method: Method[Any]) -> str:
    messages = _document()["requests"][method.name]
    optional = "" if _params(method).get("required") else "?"
    return (
        f"{_comment(reference.first_sentence(method.handler), 2)}  {method.verb}(\n"
        f"    params{optional}: {_node_type(messages['params'])},\n    options?: CallOptions,\n"
        f"  ): Promise<{_node_type(messages['result'])}>;\n"
    )


def _node_type(member: Json) -> str:
    if "$ref" in member:
        return _name(member)
    if "anyOf" in member:
        return _union(member, _node_type)
    if "enum" in member or "const" in member:
        return " | ".join(map(json.dumps, member.get("enum") or [member["const"]]))
    if member["type"] == "array":
        inner = _node_type(member["items"])
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if member["type"] == "object":
        values = member.get("additionalProperties")
        return f"Record<string, {_node_type(values) if values else 'unknown'}>"
    name: str = member["type"]
    return "number" if name == "integer" else name


def _comment(text: str, indent: int) -> str:
    margin = " " * indent
    if indent + len(text) + 7 <= _WIDTH:
        return f"{margin}/** {text} */\n"
    wrapped = textwrap.wrap(text, _WIDTH - indent - 3)
    return f"{margin}/**\n" + "".join(f"{margin} * {line}\n" for line in wrapped) + f"{margin} */\n"


def main() -> int:
    """Write or check the generated parts; return the exit status."""
    parts = {file: lambda _text, file=file: fresh(file) for file in FILES}
    description = "Renew the generated parts of the clients."
    return reference.write_or_check(description, COMMAND, parts)


if __name__ == "__main__":
    sys.exit(main())
