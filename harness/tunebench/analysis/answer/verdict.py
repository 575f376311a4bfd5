"""The verdict: which option the comparisons speak for, if they speak for one.

*Fine-tune* is the claim that one fine-tuned option beats every option that is not fine-tuned. It
holds only if each of these comparisons shows it, so the largest p-value is the claim's own
(intersection-union test) and needs no correction for picking the best prompt. That one of several
fine-tuned options may pass is corrected by Holm. *Do not fine-tune* is the claim that each
fine-tuned option is below some other; that one of many others may come out above is corrected by
their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tunebench.analysis.answer.gains import Gain
from tunebench.statistics import holm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunebench.analysis.answer.options import Tried
    from tunebench.reports import About, AnswerVerdict

LEVEL = 0.05
_KINDS = ("constant", "rival", "prompt", "fine-tuned")


@dataclass(frozen=True)
class Decided:
    """A verdict, and the comparison that decides it.

    Attributes:
        verdict: the verdict.
        gain: of the option that is recommended, or of the best candidate, over the strongest other.
        largest_p: the p-value of the claim: the largest of all comparisons that it needs.
        p: the same, corrected.
        family: over how many comparisons it is corrected.
        gains: of the chosen option over all others that it has to beat.
        best: the most accurate of the options that are not fine-tuned.
        candidates: how many different fine-tuned options there are; 0 where there are none.
        level: of the test that a difference has to pass.
        larger: the most accurate option that passes, too, where that is a larger training size.
    """

    verdict: AnswerVerdict
    gain: Gain
    largest_p: float
    p: float
    family: int
    gains: tuple[Gain, ...]
    best: Tried
    candidates: int
    level: float
    larger: Tried | None = None

    @property
    def chosen(self) -> Tried:
        """The option that is recommended, or the best candidate."""
        return self.gain.first

    @property
    def rival(self) -> Tried:
        """The strongest option against it."""
        return self.gain.over

    @property
    def texts_needed(self) -> int | None:
        """How many texts would settle what is undecided."""
        return self.gain.texts_needed(self.level) if self.verdict == "undecided" else None

    @cached_property
    def detectable(self) -> float | None:
        """The smallest difference that these texts could have shown."""
        return self.gain.detectable(self.level)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """An option with its gains over all that it has to beat."""

    tried: Tried
    gains: tuple[Gain, ...]

    @cached_property
    def hardest(self) -> Gain:
        """The one that it is least shown to beat."""
        return max(self.gains, key=lambda gain: (gain.above, gain.over.option.accuracy))

    @cached_property
    def lowest(self) -> Gain:
        """The one that it is most shown not to beat by the margin."""
        return min(self.gains, key=lambda gain: (gain.below, -gain.over.option.accuracy))

    @property
    def strongest(self) -> Gain:
        """The one over the most accurate of them."""
        return max(self.gains, key=lambda gain: (gain.over.option.accuracy, gain.above))

    @property
    def p(self) -> float:
        """The p-value of its beating each of them: two-sided, and 1 where it is not above one."""
        return min(1.0, 2 * self.hardest.above)

    def is_above(self, margin: float) -> bool:
        """Whether the intervals of the comparisons that decide are above a margin."""
        return all(one.interval[0] > margin for one in (self.hardest, self.strongest))


def decided(options: Sequence[Tried], about: About) -> Decided | None:
    """The verdict on the options of an experiment; None if no two of them differ."""
    tuned = _different(one for one in options if one.option.kind == "fine-tuned")
    others = _different(one for one in options if one.option.kind != "fine-tuned")
    if not tuned:
        return _use(others, about) if len(others) > 1 else None
    candidates = [
        _Candidate(
            one, tuple(Gain(one, other, about.groups, about.smallest_gain) for other in others)
        )
        for one in tuned
    ]
    return (
        _fine_tune(candidates, others, about)
        or _do_not(candidates, others, about)
        or _undecided(candidates, others)
    )


def _fine_tune(
    candidates: Sequence[_Candidate], others: Sequence[Tried], about: About
) -> Decided | None:
    adjusted = holm([one.p for one in candidates])
    passing = {one: p for one, p in zip(candidates, adjusted, strict=True) if p < LEVEL}
    while passing:
        best = max(passing, key=lambda one: (one.tried.option.accuracy, -_size(one)))
        chosen = _smallest(best, list(passing), about)
        if chosen.is_above(about.smallest_gain):
            return Decided(
                verdict="fine-tune",
                gain=chosen.strongest,
                largest_p=chosen.p,
                p=passing[chosen],
                family=len(candidates),
                gains=chosen.gains,
                best=_best(others),
                candidates=len(candidates),
                level=LEVEL / len(candidates),
                larger=None if chosen is best else best.tried,
            )
        del passing[chosen]
    return None


def _smallest(best: _Candidate, passing: Sequence[_Candidate], about: About) -> _Candidate:
    """The smallest size of the best one's model that none of its larger sizes is shown to beat."""
    of_model = (best.tried.option.model, best.tried.option.decision_rule)
    same = sorted(
        (
            one
            for one in passing
            if (one.tried.option.model, one.tried.option.decision_rule) == of_model
        ),
        key=_size,
    )
    for place, one in enumerate(same):
        larger = (Gain(other.tried, one.tried, about.groups) for other in same[place + 1 :])
        if _size(one) >= _size(best) or all(2 * gain.above >= LEVEL for gain in larger):
            return one
    return best


def _do_not(
    candidates: Sequence[_Candidate], others: Sequence[Tried], about: About
) -> Decided | None:
    many, margin = len(others), about.smallest_gain
    if any(2 * many * one.lowest.below >= LEVEL for one in candidates):
        return None
    tuned = max(candidates, key=lambda one: one.tried.option.accuracy).tried
    best = _best(others)
    for other in sorted(others, key=_price):
        gain = Gain(other, tuned, about.groups, -margin)
        p = min(1.0, 2 * many * gain.above)
        if p < LEVEL and _is_enough(other, best, about) and gain.interval[0] > -margin:
            return Decided(
                verdict="do not fine-tune",
                gain=gain,
                largest_p=min(1.0, 2 * gain.above),
                p=p,
                family=many,
                gains=(gain,),
                best=best,
                candidates=len(candidates),
                level=LEVEL / many,
            )
    return None


def _undecided(candidates: Sequence[_Candidate], others: Sequence[Tried]) -> Decided:
    adjusted = holm([one.p for one in candidates])
    chosen = min(
        candidates,
        key=lambda one: (one.hardest.above, -one.tried.option.accuracy, _size(one)),
    )
    gain = chosen.hardest
    # To show that it is better is one of so many tests, to show that it is not, one of so many.
    tests = len(candidates) if gain.difference > gain.margin else len(others)
    return Decided(
        verdict="undecided",
        gain=gain,
        largest_p=chosen.p,
        p=adjusted[candidates.index(chosen)],
        family=len(candidates),
        gains=chosen.gains,
        best=_best(others),
        candidates=len(candidates),
        level=LEVEL / tests,
    )


def _use(options: Sequence[Tried], about: About) -> Decided:
    """Only the most accurate option can beat every other, so no choice has to be corrected for."""
    best = _best(options)
    gains = tuple(Gain(best, other, about.groups) for other in options if other is not best)
    found = _Candidate(best, gains)
    shown = found.p < LEVEL and found.is_above(0)
    return Decided(
        verdict="use" if shown else "undecided",
        gain=found.strongest if shown else found.hardest,
        largest_p=found.p,
        p=found.p,
        family=1,
        gains=gains,
        best=best,
        candidates=0,
        level=LEVEL,
    )


def cheapest(options: Iterable[Tried], best: Tried, about: About) -> Tried:
    """The cheapest option that the best one is not shown to beat."""
    return min((one for one in options if _is_enough(one, best, about)), key=_price)


def _is_enough(one: Tried, best: Tried, about: About) -> bool:
    return one is best or 2 * Gain(best, one, about.groups).above >= LEVEL


def _price(one: Tried) -> tuple[int, int, float, float]:
    """An order by cost: by kind, then by price where it is known, else by tokens or rows."""
    cost = one.option.cost_per_1000
    return (
        _KINDS.index(one.option.kind),
        int(cost is None),
        cost or 0.0,
        float(one.tokens or one.option.train_size),
    )


def _best(options: Sequence[Tried]) -> Tried:
    return max(options, key=lambda one: one.option.accuracy)


def _size(one: _Candidate) -> int:
    return one.tried.option.train_size


def _different(options: Iterable[Tried]) -> list[Tried]:
    """The first of each that gives the same predictions."""
    found: dict[bytes, Tried] = {}
    for one in options:
        found.setdefault(one.same, one)
    return list(found.values())
