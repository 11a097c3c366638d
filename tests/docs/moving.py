"""Make the moving picture of the README: a session is switched in three editors at once.

    python tests/docs/moving.py [FILE]

It writes ``client_examples/media/three.gif``. It needs what the tests of the editors need, and
Pillow, which matplotlib brings (``pip install -e '.[test,bench]'``).
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.pictures import fill
from docs.terminals import EXAMPLES, picture
from editors.vscode import code_server as vscode
from editors.vscode.code_server import CodeServer
from editors.vscode.three import Three
from support import shared
from support.people import Person

WIDTH, HEIGHT = 1272, 470
LEFT: Final = 770
"""Width of VS Code; the two others are beside it, one above the other."""
GAP: Final = 6
COLORS: Final = 64


def frame(browser: Browser, three: Three) -> Image.Image:
    """Return a picture of all three."""
    whole = Image.new("RGB", (WIDTH, HEIGHT), "black")
    right, half = LEFT + GAP, (WIDTH - LEFT - GAP, (HEIGHT - GAP) // 2)
    for data, place, size in (
        (three.vscode.page.screenshot(), (0, 0), (LEFT, HEIGHT)),
        (picture(browser, three.neovim, "dark"), (right, 0), half),
        (picture(browser, three.emacs, "dark"), (right, half[1] + GAP), half),
    ):
        with Image.open(io.BytesIO(data)) as shot:
            part = shot.convert("RGB")
        part.thumbnail(size, Image.Resampling.LANCZOS)
        whole.paste(part, place)
    return whole


def film(browser: Browser, three: Three) -> tuple[list[Image.Image], list[int]]:
    """Return the frames, and for how many milliseconds each is shown."""
    three.neovim.types_text("6Gzt")
    three.neovim.wait_for("✎ the server's clock")
    frames = [frame(browser, three)]
    three.neovim.types_text(":Tenets switch review parser")
    three.neovim.wait_for("switch review parser")
    frames.append(frame(browser, three))
    three.neovim.types_text("\r")
    three.show("review parser")
    frames.append(frame(browser, three))
    three.switch("emacs", "fix login")
    three.show("fix login")
    frames.append(frame(browser, three))
    three.neovim.types_text(":18Tenets note one refresh is enough")
    three.neovim.wait_for("is enough")
    frames.append(frame(browser, three))
    three.neovim.types_text("\r")
    hint = three.vscode.page.locator(".view-line").filter(has_text="one refresh is enough")
    expect(hint).to_be_visible()
    frames.append(frame(browser, three))
    return frames, [2000, 1500, 2500, 2500, 1500, 4000]


def main() -> int:
    """Make it."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES / "media" / "three.gif"
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        os.environ["XDG_RUNTIME_DIR"] = name
        playwright = stack.enter_context(sync_playwright())
        browser = vscode.launched(playwright)
        server = CodeServer(folder / "code", browser, folder / "extensions", "/usr/bin:/bin")
        server.install(vscode.packaged(folder / "built"))
        person = Person(folder / "tenets.db", folder / "shop")
        vscode.settings(person.folder, person.database)
        fill(person)
        stack.callback(shared.stop, person.database)
        stack.enter_context(server.running())
        three = Three(person, server, file="auth.py", size=(80, 16))
        stack.callback(three.close)
        for editor in ("vscode", "neovim", "emacs"):
            three.open(editor)
        three.show("fix login")
        expect(three.vscode.page.locator(".view-line").filter(has_text="✎").first).to_be_visible()
        three.neovim.wait_for("✎")
        frames, times = film(browser, three)
    target.parent.mkdir(exist_ok=True)
    first, *others = [one.quantize(COLORS) for one in frames]
    first.save(target, save_all=True, append_images=others, duration=times, loop=0, optimize=True)
    print(target, target.stat().st_size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
