"""A database: what all engines have in common. SQL is in :mod:`.sqlite` only.

Start at :mod:`.store` and :mod:`.operations` for what a database does, and at :mod:`.sqlite.schema`
for what is in its file.
"""
