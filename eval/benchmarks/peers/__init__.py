"""Mundap beside other libraries' hybrid search, each in an environment of its own: `make bench-peers`."""
