"""A classical yardstick: TF-IDF with logistic regression, by scikit-learn.

Its settings are what a practitioner would write down before seeing any text, and are the same for
every task. Nothing here is tuned, least of all on the test rows: a yardstick that was fitted to
them would be no longer one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Sequence

TF_IDF = "tf-idf + logistic regression"


def tf_idf_predictions(
    train_texts: Sequence[str], train_labels: Sequence[int], texts: Sequence[str]
) -> list[int]:
    """Train on labelled texts and give each other text a label.

    Words and pairs of words that stand in two training texts or more, with sublinear term
    frequency; logistic regression with scikit-learn's own regularisation (L2, C = 1).

    Args:
        train_texts: n texts to train on.
        train_labels: their label ids, of two classes or more.
        texts: the texts to give a label.

    Returns:
        A label id for each of `texts`; the same every time.

    Raises:
        ResultsError: the training rows are of one class, or share no word.
    """
    if len(set(train_labels)) < 2:
        raise ResultsError("the training rows have one class only; name a larger size.")

    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    try:
        features = vectorizer.fit_transform(train_texts)
    except ValueError:  # it has no class of its own for an empty vocabulary
        raise ResultsError(
            "no word of two letters or more stands in two training texts, so there is nothing to "
            "learn from; name a larger size."
        ) from None
    classifier = LogisticRegression(C=1.0, max_iter=1000).fit(features, train_labels)
    return [int(label) for label in classifier.predict(vectorizer.transform(texts))]
