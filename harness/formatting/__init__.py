"""Prompts and training files."""
