"""The `tunebench` command."""

from tunebench.cli.main import main

__all__ = ["main"]
