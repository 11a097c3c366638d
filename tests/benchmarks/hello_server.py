"""The least that a pygls server can be: what any of them needs to start."""

from pygls.lsp.server import LanguageServer

if __name__ == "__main__":
    LanguageServer("hello", "1").start_io()
