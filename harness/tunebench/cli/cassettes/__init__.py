"""``tunebench cassettes``: list, verify, prune, compare and upgrade cassettes."""

from tunebench.cli.cassettes.command import cassettes
from tunebench.cli.cassettes.sharing import name_in

__all__ = ["cassettes", "name_in"]
