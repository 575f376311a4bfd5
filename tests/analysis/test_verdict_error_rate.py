"""How often the verdict is wrong where there is nothing to find, and right where there is."""

from collections import Counter
from statistics import NormalDist

import numpy as np
import pytest

from tunebench.analysis.answer import answer_of

from .made_rows import about, cell, rival

WORLDS = 400
MOST_WRONG = 20  # 5 % of them
SEEDS = [{"seed": 0}, {"seed": 1}, {"seed": 2}]
# What a prompt gets is the best of 12: half of them are as good as the best, or nearly.
PROMPTS = [0.0, 0.0, 0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3]


class World:
    """Texts of different difficulty, and options that are right on each by chance.

    An option's chances on all such texts have a mean that is its true accuracy; the trainings of
    one model differ around theirs. Answers to a text depend on its difficulty, so two options agree
    more often than by chance.
    """

    def __init__(self, seed: int, n: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.n = n
        self.difficulty = self.draw.normal(size=n)

    def right(self, accuracy: float, luck: float = 0.0) -> list[bool]:
        """Whether one run of an option is right on each text."""
        mean = min(max(accuracy + luck * self.draw.normal(), 0.001), 0.999)
        level = NormalDist(0, 2**0.5).inv_cdf(mean)
        right: list[bool] = (self.difficulty + self.draw.normal(size=self.n) < level).tolist()
        return right


def verdict_in(
    seed: int,
    *,
    gain: float,
    n: int,
    best: float = 0.8,
    luck: float = 0.02,
    prompts=PROMPTS,
    sizes=(300, 500, 2000),
    seeds=SEEDS,
) -> str | None:
    """The verdict where fine-tuning truly gains so much over the best prompt and the best rival."""
    world = World(seed, n)
    cells = [cell(world.right(best - less), n=n, shots=i) for i, less in enumerate(prompts)]
    cells += [
        cell(world.right(best + gain, luck), n=n, size=size, **run)
        for size in sizes
        for run in seeds
    ]
    found = answer_of(about(n), cells, [rival(world.right(best), n=n, size=2000)])
    return found and found.verdict


def verdicts(worlds=WORLDS, **world) -> Counter[str | None]:
    return Counter(verdict_in(seed, **world) for seed in range(worlds))


@pytest.mark.parametrize(
    "world",
    [
        {},
        {"seeds": [{}], "luck": 0.0},
        # One close rival and one fine-tuned model: nothing else hides an error.
        {"prompts": [0.3], "sizes": (300,), "luck": 0.03},
    ],
    ids=["best of 12 prompts", "one seed", "one close rival"],
)
def test_without_a_difference_fine_tuning_is_advised_in_at_most_5_of_100_worlds(world):
    found = verdicts(gain=0.0, n=200, **world)
    assert found["fine-tune"] <= MOST_WRONG
    assert found["do not fine-tune"] <= MOST_WRONG
    assert found["undecided"] >= WORLDS - 2 * MOST_WRONG


def test_a_true_gain_of_15_points_is_found_on_500_texts():
    found = verdicts(worlds=100, gain=0.15, n=500, best=0.7)
    assert found["fine-tune"] >= 80
    assert not found["do not fine-tune"]
