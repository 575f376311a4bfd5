"""TF-IDF with logistic regression, by scikit-learn.

The settings are what a practitioner would choose before seeing any text, the same for every task:
words and pairs of words that are in two training texts or more, with sublinear term frequency;
logistic regression with scikit-learn's own regularisation (L2, C = 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.rivals.base import Rival
from tunebench.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Sequence

_HINT = "name a larger size"


def _predict(
    train_texts: Sequence[str], train_labels: Sequence[int], texts: Sequence[str]
) -> list[int]:
    if len(set(train_labels)) < 2:
        raise ResultsError("the training rows have one class only", hint=_HINT)

    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    try:
        features = vectorizer.fit_transform(train_texts)
    except ValueError:  # scikit-learn has no class of its own for an empty vocabulary
        raise ResultsError(
            "no word of two letters or more is in two training texts, so there is nothing to "
            "learn from",
            hint=_HINT,
        ) from None
    classifier = LogisticRegression(C=1.0, max_iter=1000).fit(features, train_labels)
    return [int(label) for label in classifier.predict(vectorizer.transform(texts))]


TF_IDF = Rival("tf-idf + logistic regression", _predict, "sklearn", "scikit-learn")
