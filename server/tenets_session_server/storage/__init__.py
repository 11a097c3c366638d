"""The database: the one place that knows SQL and apsw.

Start at :mod:`.store` for the operations, and at :mod:`.schema` for what is in the file.
"""
