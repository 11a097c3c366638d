"""The command lines: what may be said, and what it does."""
