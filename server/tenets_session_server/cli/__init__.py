"""The command lines: which options there are, and what each command does."""
