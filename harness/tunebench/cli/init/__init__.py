"""``tunebench init``: from a file of labelled texts to a benchmark that can be recorded."""

from tunebench.cli.init.command import init

__all__ = ["init"]
