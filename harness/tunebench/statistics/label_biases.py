"""Biases of labels: what is added to the log-probabilities of a model that leans to some labels."""

from __future__ import annotations

from math import fsum, isfinite, log
from typing import TYPE_CHECKING

from tunebench.statistics.calibration import label_probabilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

PENALTY = 0.01
_MOST_STEPS = 200
_HALVINGS = 60
_NEAR = 1e-5  # from here on full steps converge, and gains are too small to be seen


def fitted_biases(
    logprobs: Sequence[Mapping[int, float]], labels: Sequence[int], n_labels: int
) -> list[float] | None:
    """The bias of each label that makes the true labels most likely.

    It is multinomial logistic regression with a fixed slope: a text's label has the probability
    softmax(log-probability + bias) over the labels that were seen for the text, and the biases
    maximise the sum of the logarithms of these, minus ``PENALTY / 2`` (0.005) times the sum of the
    biases' squares. The penalty keeps them finite where the labels can be told apart without error;
    otherwise it hardly shows. It also makes their sum 0.

    A text whose true label was not seen is left out: no bias makes it likely. A label that was not
    seen for any of the other texts has the bias 0.

    Args:
        logprobs: for each text the natural log-probabilities by label id, of the labels seen; a
            constant that is added to all of a text's changes nothing.
        labels: the true label ids, in the same order.
        n_labels: number of labels of the task.

    Returns:
        A bias for each label id, in nats; None if no text can be used.

    Raises:
        ValueError: the two differ in length.

    Source:
        T. Z. Zhao, E. Wallace, S. Feng, D. Klein, S. Singh, Calibrate before use, ICML (2021), for
        a bias of each label; fitted to labels, as in Platt's scaling with a slope of 1.
    """
    import numpy as np

    seen = [
        ({one: value for one, value in row.items() if isfinite(value)}, label)
        for row, label in zip(logprobs, labels, strict=True)
    ]
    usable = [(row, label) for row, label in seen if label in row]
    if not usable:
        return None
    values = np.full((len(usable), n_labels), -np.inf)
    for position, (row, _) in enumerate(usable):
        highest = max(row.values())
        for label, value in row.items():
            values[position, label] = value - highest
    counts = np.bincount([label for _, label in usable], minlength=n_labels).astype(float)
    return [float(bias) for bias in _maximum(values, counts)]


def _maximum(values: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton's method; steps are halved until they gain, which a concave function always allows."""
    import numpy as np

    def at(biases: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The penalised log-likelihood but for a constant, and each text's probabilities."""
        shifted = values + biases
        highest = shifted.max(axis=1, keepdims=True)
        weights = np.exp(shifted - highest)
        totals = weights.sum(axis=1, keepdims=True)
        found = counts @ biases - np.sum(highest + np.log(totals)) - PENALTY / 2 * biases @ biases
        return float(found), weights / totals

    biases, near = np.zeros(len(counts)), 0
    value, shares = at(biases)
    for _ in range(_MOST_STEPS):
        expected = shares.sum(axis=0)
        slope = counts - expected - PENALTY * biases
        curve = np.diag(expected + PENALTY) - shares.T @ shares
        step = np.linalg.solve(curve, slope)
        if np.abs(step).max() < _NEAR:
            biases, near = biases + step, near + 1
            if near == 2:
                break
            value, shares = at(biases)
            continue
        for _ in range(_HALVINGS):
            found, new = at(biases + step)
            if found > value:
                break
            step = step / 2
        else:  # at the maximum, as far as can be seen
            break
        biases, value, shares = biases + step, found, new
    biases -= biases.mean()
    return biases


def content_free_biases(
    logprobs: Sequence[Mapping[int, float]], n_labels: int
) -> list[float] | None:
    """The bias of each label that makes labels equally likely for texts that say nothing.

    The probabilities of the labels, with the sum 1 for each text, are averaged over the texts; a
    bias is minus the logarithm of that mean, shifted so that the sum of the biases is 0. A label
    that was not seen for any of them has the bias 0.

    Args:
        logprobs: for each text the natural log-probabilities by label id, of the labels seen.
        n_labels: number of labels of the task.

    Returns:
        A bias for each label id, in nats; None if no label was seen.

    Source:
        T. Z. Zhao, E. Wallace, S. Feng, D. Klein, S. Singh, Calibrate before use, ICML (2021), with
        W = diag(mean probabilities)⁻¹.
    """
    rows = [row for one in logprobs if (row := label_probabilities(one, n_labels)) is not None]
    means = [fsum(row[label] for row in rows) / max(len(rows), 1) for label in range(n_labels)]
    found = {label: -log(mean) for label, mean in enumerate(means) if mean > 0}
    if not found:
        return None
    middle = fsum(found.values()) / len(found)
    return [found.get(label, middle) - middle for label in range(n_labels)]
