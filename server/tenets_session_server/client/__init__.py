"""Calls methods as a client: of the daemon where one runs, else on the database."""
