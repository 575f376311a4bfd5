"""Logistic regression on features of texts, by scikit-learn.

Its regularisation C is the one of `GRID` that gets most training rows right in a stratified 5-fold
cross-validation on these rows alone, of equal ones the smallest. Features that are learnt from
texts are learnt in each fold. Where a class has fewer than five rows, C is scikit-learn's default.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from tunebench.analysis.rivals.base import Predicted
from tunebench.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # From training texts and other texts to a matrix of each; None where nothing can be learnt.
    Features = Callable[[Sequence[str], Sequence[str]], tuple[Any, Any] | None]

GRID = (0.1, 1.0, 10.0, 100.0)
_DEFAULT = 1.0
_FOLDS = 5


def predicted(
    train_texts: Sequence[str],
    train_labels: Sequence[int],
    texts: Sequence[str],
    features: Features,
) -> Predicted:
    """The predictions for texts, and the C that was chosen.

    Raises:
        ResultsError: the training rows teach nothing.
    """
    hint = "name a larger size"
    if len(set(train_labels)) < 2:
        raise ResultsError("the training rows have one class only", hint=hint)
    whole = features(train_texts, texts)
    if whole is None:
        raise ResultsError(
            "no word of two letters or more is in two training texts, so there is nothing to "
            "learn from",
            hint=hint,
        )
    train, asked = whole
    c = _chosen(train_texts, train_labels, features)
    labels = _fitted(train, train_labels, c).predict(asked)
    return Predicted([int(label) for label in labels], {"C": c})


def _chosen(texts: Sequence[str], labels: Sequence[int], features: Features) -> float:
    if min(labels.count(label) for label in set(labels)) < _FOLDS:
        return _DEFAULT
    from sklearn.model_selection import StratifiedKFold

    right = dict.fromkeys(GRID, 0)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    for train, held_out in folds.split([[0]] * len(labels), labels):
        own = features([texts[i] for i in train], [texts[i] for i in held_out])
        if own is None:
            return _DEFAULT
        known, wanted = [labels[i] for i in train], [labels[i] for i in held_out]
        for c in GRID:
            right[c] += int((_fitted(own[0], known, c).predict(own[1]) == wanted).sum())
    return max(GRID, key=lambda c: (right[c], -c))


def _fitted(features: Any, labels: Sequence[int], c: float) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # Weak regularisation may take longer; where it stops is as deterministic as its end.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=c, max_iter=1000).fit(features, labels)
