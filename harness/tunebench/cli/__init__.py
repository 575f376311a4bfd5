"""The `tunebench` command: a module for each subcommand."""

from tunebench.cli.main import main

__all__ = ["main"]
