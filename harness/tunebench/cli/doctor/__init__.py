"""``tunebench doctor``: what a running provider can do, and what its experiment declares."""

from tunebench.cli.doctor.command import doctor

__all__ = ["doctor"]
