"""The database: the one place that knows SQL and apsw.

Start at :mod:`.session_db` for the public class and at :mod:`.schema` for what is in the file.
"""
