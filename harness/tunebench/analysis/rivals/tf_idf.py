"""TF-IDF with logistic regression, by scikit-learn.

The features are what a practitioner would choose before seeing any text, the same for every task:
words and pairs of words that are in two training texts or more, with sublinear term frequency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunebench.analysis.rivals.base import Predicted, Rival
from tunebench.analysis.rivals.logistic import predicted

if TYPE_CHECKING:
    from collections.abc import Sequence


def _features(train_texts: Sequence[str], texts: Sequence[str]) -> tuple[Any, Any] | None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    try:
        return vectorizer.fit_transform(train_texts), vectorizer.transform(texts)
    except ValueError:  # scikit-learn has no class of its own for an empty vocabulary
        return None


def _predict(
    train_texts: Sequence[str], train_labels: Sequence[int], texts: Sequence[str]
) -> Predicted:
    return predicted(train_texts, train_labels, texts, _features)


TF_IDF = Rival("tf-idf + logistic regression", _predict, "sklearn", "scikit-learn")
