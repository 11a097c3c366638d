"""Standard LSP features for editors that have no plugin: they show notes, and take them."""
