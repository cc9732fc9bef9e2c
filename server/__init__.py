"""Answers from the index, and the ways to ask for them."""
