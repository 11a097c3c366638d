"""Make the pictures of the plugins for editors in a terminal, in those editors.

    python tests/docs/terminals.py [FOLDER]

It writes ``client_examples/EDITOR/EDITOR.png``, and needs tmux, Chromium and the editors. With a
folder it writes there, each also with a light background, to be looked at.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, MONOKAI
from rich.text import Text

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.pictures import fill
from editors.emacs_support import emacs_program
from editors.screen import Screen
from editors.vim_support import program as vim_program
from editors.vscode import code_server as vscode
from support import shared
from support.people import Person

EXAMPLES: Final = Path(__file__).parents[2] / "client_examples"
COLUMNS, LINES = 80, 24
THEMES: Final = {"dark": MONOKAI, "light": DEFAULT_TERMINAL_THEME}
PAGE: Final = """<style>
  pre {{ margin: 0; padding: 10px; width: max-content; min-width: 80ch; color: {foreground};
    background: {background}; font: 14px/18px "DejaVu Sans Mono", monospace; }}
</style><pre>{code}</pre>"""

Scene = Callable[[Screen], None]
"""Types what is to be seen, and waits for it."""


def neovim(person: Person, background: str) -> tuple[str, Scene]:
    """Return the command of Neovim, and what is typed there."""
    configuration = person.home / "init.lua"
    configuration.write_text(f"""
        vim.opt.runtimepath:append({str(EXAMPLES / "neovim")!r})
        vim.o.background = {background!r}
        vim.o.number = true
        vim.o.laststatus = 2
        vim.o.swapfile = false
        vim.o.statusline = "%f %m%=%{{v:lua.require'tenets'.statusline()}} "
        require("tenets").setup({{
            cmd = {{ "tenets-session-server", "--database", {str(person.database)!r} }},
            marks = "text",
        }})
    """)

    def scene(screen: Screen) -> None:
        screen.wait_for("tenets: fix login")
        screen.wait_for("✎ why is it")
        screen.types_text("9Gzt:Tenets notes\r")
        screen.wait_for("twice?\n")
        screen.types_text("gg")
        screen.wait_for("1 · note")

    return f"nvim -u {configuration} -i NONE auth.py", scene


def emacs(person: Person, background: str) -> tuple[str, Scene]:
    """Return the command of Emacs, and what is typed there."""
    configuration = person.home / "init.el"
    configuration.write_text(f"""
        (add-to-list 'load-path "{EXAMPLES / "emacs"}")
        (require 'tenets)
        (setq tenets-server-command '("tenets-session-server" "--database" "{person.database}")
              make-backup-files nil auto-save-default nil create-lockfiles nil
              frame-background-mode '{background} native-comp-jit-compilation nil)
        (frame-set-background-mode nil)
        (menu-bar-mode -1)
        (global-eldoc-mode -1)
        (global-set-key (kbd "C-c t") 'tenets-command-map)
        (tenets-mode)
    """)

    def scene(screen: Screen) -> None:
        screen.wait_for("[tenets: fix login]")
        screen.types("M-g", "g")
        screen.wait_for("Goto line")
        screen.types_text("10\r")
        screen.types("C-u", "0", "C-l", "C-c", "t", "l")
        screen.wait_for("twice?")

    return f"{emacs_program('newest')} -Q -nw -l {configuration} auth.py", scene


def vim(person: Person, background: str) -> tuple[str, Scene]:
    """Return the command of Vim, and what is typed there."""
    configuration = person.home / "vimrc"
    configuration.write_text(f"""
        source $VIMRUNTIME/defaults.vim
        set runtimepath^={EXAMPLES / "vim"} background={background}
        set number noruler noswapfile laststatus=2
        let &statusline = '%f %m%=%{{TenetsStatusline()}} '
        let g:tenets_server = ['tenets-session-server', '--database', '{person.database}']
        let g:tenets_signs = 1
    """)

    def scene(screen: Screen) -> None:
        screen.wait_for("tenets: fix login")
        screen.wait_for("✎ why is it")
        screen.types_text("9Gzt:Tenets notes\r")
        screen.wait_for("twice?\n")
        screen.types_text("gg")
        screen.wait_for("1 · note")

    return f"{vim_program()} -u {configuration} -i NONE auth.py", scene


EDITORS: Final[Mapping[str, Callable[[Person, str], tuple[str, Scene]]]] = {
    "neovim": neovim,
    "emacs": emacs,
    "vim": vim,
}


def picture(browser: Browser, screen: Screen, background: str) -> bytes:
    """Return what is on a screen, as PNG."""
    console = Console(record=True, width=200, file=io.StringIO(), color_system="truecolor")
    theme = THEMES[background]
    text = Text.from_ansi(screen.colored)
    # Rich cannot swap the colours of the page, as reverse video does in a status line.
    swapped = Style(
        color=Color.from_triplet(theme.background_color),
        bgcolor=Color.from_triplet(theme.foreground_color),
        reverse=False,
    )
    for start, end, style in list(text.spans):
        if isinstance(style, Style) and style.reverse:
            colors = (style.color, style.bgcolor)
            if all(color is None or color.is_default for color in colors):
                text.stylize(swapped, start, end)
    console.print(text, soft_wrap=True)
    html = console.export_html(theme=theme, inline_styles=True, code_format=PAGE)
    page = browser.new_page(viewport={"width": 900, "height": 600})
    page.set_content(html)
    data = page.locator("pre").screenshot()
    page.close()
    return data


def main() -> int:
    """Make the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as name:
        os.environ["XDG_RUNTIME_DIR"] = name  # the daemons are there
        browser = vscode.launched(playwright)
        for editor, prepare in EDITORS.items():
            for background in ("dark", "light") if folder else ("dark",):
                home = Path(name) / editor / background
                person = Person(home / "tenets.db", home / "shop")
                fill(person)
                command, scene = prepare(person, background)
                environment = {**os.environ, **person.environment, "COLORTERM": "truecolor"}
                size = (COLUMNS, LINES)
                with Screen.opened(command, person.folder, environment, size=size) as screen:
                    scene(screen)
                    default = EXAMPLES / editor / f"{editor}.png"
                    file = folder / f"{editor}-{background}.png" if folder else default
                    file.write_bytes(picture(browser, screen, background))
                    print(file)
                shared.stop(person.database)
    return 0


if __name__ == "__main__":
    sys.exit(main())
