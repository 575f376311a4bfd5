"""Errors in one sentence, and text from elsewhere made safe to print."""

from tunebench.errors.base import TunebenchError
from tunebench.errors.text import (
    hidden,
    holds_control,
    keep_secret,
    printable,
    without_secrets,
)
from tunebench.errors.unexpected import describe_error

__all__ = [
    "TunebenchError",
    "describe_error",
    "hidden",
    "holds_control",
    "keep_secret",
    "printable",
    "without_secrets",
]
