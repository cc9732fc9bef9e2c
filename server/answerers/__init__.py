"""Ways to make an answer out of what was retrieved."""
