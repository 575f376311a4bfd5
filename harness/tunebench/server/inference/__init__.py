"""Models in memory and what they answer."""
