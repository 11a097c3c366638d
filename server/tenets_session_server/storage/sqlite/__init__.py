"""The database in a file of SQLite, which the public package ``tenets`` shares.

The modules are named by what they are about. See ``server/ARCHITECTURE.md``.
"""
