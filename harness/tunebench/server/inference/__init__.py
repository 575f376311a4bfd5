"""Models in memory and their answers."""
