"""The completions of ``tenets-session`` for bash, zsh and fish.

The scripts have the verbs and their options in them, as the verbs say. Only names of sessions are
asked for when a completion is needed, in the quick way (:mod:`.quick`).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Final

import click

from tenets_session_server.cli import quick

NAMED: Final = (
    *("show", "switch", "resume", "rename", "copy", "reset", "delete", "bind", "export", "pins"),
)
"""The verbs whose arguments are names of sessions."""
_FILES: Final = ("pin", "unpin", "import")

_BASH: Final = r"""_tenets_session() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} verb= word i
    local -a database=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            --database) database=(--database "${COMP_WORDS[++i]}") ;;
            @VALUED@) ((i++)) ;;
            -*) ;;
            *) verb=$word; break ;;
        esac
    done
    if [[ -z $verb ]]; then
        COMPREPLY=($(compgen -W '@VERBS@ @OPTIONS@' -- "$current"))
        return
    fi
    case $previous in
        -s|--session)
            case $verb in
                @WITH_SESSION@) _tenets_session_names "$current"; return ;;
            esac ;;
        -o|--output|--at) compopt -o default; return ;;
    esac
    case $verb in
@CASES@
    esac
}
_tenets_session_names() {
    local name quoted whole=$1 i=$COMP_CWORD
    # Bash takes a colon for the end of a word, and replaces what is behind the last one.
    while ((i > 1)) && [[ ${COMP_WORDS[i]} == : || ${COMP_WORDS[i-1]} == : ]]; do
        ((i--))
        whole=${COMP_WORDS[i]}$whole
    done
    local before= given=${whole//\\/}
    [[ $whole == *:* ]] && before=${whole%:*}:
    given=${given#[\"\']}
    while IFS= read -r name; do
        case $1 in
            \"*|\'*)  # within quotes bash inserts a name as it is: only what means nothing there
                [[ $name == *[\"\'\\\`\$\!]* ]] || COMPREPLY+=("$name") ;;
            *)
                quoted=$(printf %q "$name")
                COMPREPLY+=("${quoted#"$before"}") ;;
        esac
    done < <(command tenets-session "${database[@]}" @NAMES@ "$given" 2>/dev/null)
}
complete -F _tenets_session tenets-session
"""

_ZSH: Final = r"""#compdef tenets-session
_tenets_session() {
    local -a verbs options names database
    local verb= word i
    for ((i = 2; i < CURRENT; i++)); do
        word=${words[i]}
        case $word in
            --database) ((i++)); database=(--database "${(Q)words[i]}") ;;
            @VALUED@) ((i++)) ;;
            -*) ;;
            *) verb=$word; break ;;
        esac
    done
    if [[ -z $verb ]]; then
        verbs=(@DESCRIBED@)
        _describe verb verbs
        compadd -- @OPTIONS@
        return
    fi
    case ${words[CURRENT-1]} in
        -s|--session) case $verb in @WITH_SESSION@) _tenets_session_names; return ;; esac ;;
        -o|--output|--at) _files; return ;;
    esac
    case $verb in
@CASES@
    esac
}
_tenets_session_names() {
    local -a names
    names=("${(@f)$(command tenets-session $database @NAMES@ "${(Q)PREFIX}" 2>/dev/null)}")
    [[ -n ${names[1]} ]] && compadd -- "${names[@]}"
}
compdef _tenets_session tenets-session
"""

_FISH: Final = r"""function __tenets_session_names
    set -l words (commandline -opc)
    set -l database
    set -l at (contains -i -- --database $words)
    and set database --database $words[(math $at + 1)]
    command tenets-session $database @NAMES@ (string unescape -- (commandline -ct)) 2>/dev/null
end
function __tenets_session_verb
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case --database @VALUED@
                set -e words[1]
            case '-*'
            case '*'
                echo $words[1]
                return
        end
        set -e words[1]
    end
end
complete -c tenets-session -f
"""

_NO_VERB: Final = "-n 'test -z (__tenets_session_verb)'"


def script(shell: str, ctx: click.Context) -> str:
    """Return the completion of a shell; ``ctx`` is that of the group of verbs."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](ctx)


def _verbs(ctx: click.Context) -> list[tuple[str, click.Command]]:
    group = ctx.command
    assert isinstance(group, click.Group)  # noqa: S101 - the command is one
    found = [(name, group.get_command(ctx, name)) for name in group.list_commands(ctx)]
    return [(name, verb) for name, verb in found if verb is not None]


def _about(verb: click.Command) -> str:
    return (verb.short_help or "").rstrip(".")


def _options(verb: click.Command) -> list[str]:
    return [
        flag
        for option in verb.params
        if isinstance(option, click.Option)
        for flag in option.opts
        if flag.startswith("--")
    ] + ["--help"]


def _bash(ctx: click.Context) -> str:
    def words(listed: str) -> str:
        return f"COMPREPLY=($(compgen -W '{listed}' -- \"$current\"))"

    names = '_tenets_session_names "$current"'
    return _filled(_BASH, ctx, _cases(ctx, "$current", words, names, "compopt -o default"))


def _zsh(ctx: click.Context) -> str:
    def words(listed: str) -> str:
        return f"compadd -- {listed}"

    return _filled(_ZSH, ctx, _cases(ctx, "$PREFIX", words, "_tenets_session_names", "_files"))


def _cases(
    ctx: click.Context, current: str, words: Callable[[str], str], names: str, files: str
) -> str:
    """Return what is offered for each verb, as bash and zsh have it.

    ``current`` is the word that is completed. ``words`` makes the command that offers some words;
    ``names`` and ``files`` are those that offer names of sessions and of files.
    """
    cases = []
    for name, verb in _verbs(ctx):
        argument = None
        if name in NAMED:
            argument = names
        elif name in _FILES:
            argument = files
        elif name == "completion":
            argument = words("bash zsh fish")
        lines = [
            f"        {name})",
            f"            if [[ {current} == -* ]]; then",
            f"                {words(' '.join(_options(verb)))}",
        ]
        if argument is not None:
            lines += ["            else", f"                {argument}"]
        cases.append("\n".join([*lines, "            fi ;;"]))
    return "\n".join(cases)


def _filled(form: str, ctx: click.Context, cases: str = "") -> str:
    verbs, separator = _verbs(ctx), " " if form == _FISH else "|"
    valued = [
        max(option.opts, key=len)
        for option in ctx.command.params
        if isinstance(option, click.Option) and not option.is_flag
    ]
    values = {
        "VERBS": " ".join(name for name, _ in verbs),
        "OPTIONS": " ".join(_options(ctx.command)),
        "DESCRIBED": " ".join(shlex.quote(f"{name}:{_about(verb)}") for name, verb in verbs),
        "VALUED": separator.join(one for one in valued if one != "--database"),
        "WITH_SESSION": "|".join(name for name, verb in verbs if "--session" in _options(verb)),
        "NAMES": quick.COMPLETE,
        "CASES": cases,
    }
    for name, value in values.items():
        form = form.replace(f"@{name}@", value)
    return form


def _fish(ctx: click.Context) -> str:
    lines = [_filled(_FISH, ctx).rstrip()]
    for name, verb in _verbs(ctx):
        about = shlex.quote(_about(verb))
        lines.append(f"complete -c tenets-session {_NO_VERB} -a {name} -d {about}")
        seen = f"-n 'contains -- {name} (__tenets_session_verb)'"
        lines += [f"complete -c tenets-session {seen} -l {flag[2:]}" for flag in _options(verb)]
        if name in NAMED:
            lines.append(f"complete -c tenets-session {seen} -a '(__tenets_session_names)'")
        elif name in _FILES:
            lines.append(f"complete -c tenets-session {seen} -F")
        elif name == "completion":
            lines.append(f"complete -c tenets-session {seen} -a 'bash zsh fish'")
        if "--session" in _options(verb):
            names = "-l session -x -a '(__tenets_session_names)'"
            lines.append(f"complete -c tenets-session {seen} {names}")
    lines += [
        f"complete -c tenets-session {_NO_VERB} -l {flag[2:]}" for flag in _options(ctx.command)
    ]
    return "\n".join(lines) + "\n"
