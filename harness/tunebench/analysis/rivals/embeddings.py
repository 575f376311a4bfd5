"""A model's embeddings with logistic regression: a rival for each `[[rival]]` of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunebench.analysis.rivals.base import Predicted, Rival
from tunebench.analysis.rivals.logistic import predicted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tunebench.experiment import EmbeddingRival


def embedding_rival(table: EmbeddingRival, embeddings: Callable[[], Mapping[str, bytes]]) -> Rival:
    """The rival of a `[[rival]]` table.

    Args:
        table: the table.
        embeddings: gives the embeddings by text, as float32.
    """

    def predict(
        train_texts: Sequence[str], train_labels: Sequence[int], texts: Sequence[str]
    ) -> Predicted:
        import numpy as np

        known = embeddings()

        def matrix(wanted: Sequence[str]) -> Any:
            packed = b"".join(known[text] for text in wanted)
            return np.frombuffer(packed, "<f4").reshape(len(wanted), -1)

        def features(some: Sequence[str], others: Sequence[str]) -> tuple[Any, Any]:
            return matrix(some), matrix(others)

        return predicted(train_texts, train_labels, texts, features)

    made_of = {"model": table.model, "parameters": table.parameters}
    return Rival(table.full_name, predict, "sklearn", "scikit-learn", made_of)
