"""Estimate of a training: tokens, time and money, from stated rates."""

from __future__ import annotations

from dataclasses import dataclass

BYTES_PER_TOKEN = 4.0
EPOCHS = 4
# SmolLM2-135M with LoRA on its upper layers, on two processor cores.
TOKENS_PER_SECOND = 380.0


@dataclass(frozen=True)
class Rates:
    """Rates that an estimate is based on.

    Attributes:
        bytes_per_token: UTF-8 bytes; about four in English.
        epochs: passes over the training rows.
        tokens_per_second: of training.
        price_per_million: of training tokens, in any currency; 0 on your own machine.
    """

    bytes_per_token: float = BYTES_PER_TOKEN
    epochs: int = EPOCHS
    tokens_per_second: float = TOKENS_PER_SECOND
    price_per_million: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """Tokens, time and money of a training.

    Attributes:
        tokens: of one pass over the training rows.
        seconds: of all passes.
        cost: of all passes, in the currency of the price.
    """

    tokens: int
    seconds: float
    cost: float

    @classmethod
    def of(cls, size: int, rates: Rates) -> Estimate:
        """The estimate for training rows of a size in UTF-8 bytes."""
        tokens = round(size / rates.bytes_per_token)
        trained = tokens * rates.epochs
        return cls(
            tokens, trained / rates.tokens_per_second, trained * rates.price_per_million / 1e6
        )


def duration(seconds: float) -> str:
    """A time in the largest unit that fits into it."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
