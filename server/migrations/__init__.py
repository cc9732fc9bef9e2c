"""The tables of the database as they came to be, one module a change, applied when the database is first used."""
