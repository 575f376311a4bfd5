"""The answer in words: the verdict, what speaks against it, and the statistics in a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.analysis.answer.gains import Gain
from tunebench.analysis.answer.verdict import LEVEL, cheapest
from tunebench.analysis.break_even import price_of_a_point

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunebench.analysis.answer.options import Tried
    from tunebench.analysis.answer.verdict import Decided
    from tunebench.reports import About, AnswerVerdict, CellRow, Option

_BADGES: dict[AnswerVerdict, str] = {
    "fine-tune": "Fine-tune",
    "do not fine-tune": "Do not fine-tune",
    "use": "Use {}",
    "undecided": "Undecided",
}
_SMALLEST_P = 0.001  # a smaller p-value is shown as such
_NAMED = 3  # cells of one sentence
_MOST = 4  # sentences against it
_FEW_TEXTS = 50  # that tell two options apart
_FEW_GROUPS = 20


@dataclass(frozen=True)
class Told:
    """What the answer says of a verdict.

    Attributes:
        found: the verdict.
        options: all options.
        about: the experiment.
        cells: its cells with a result.
    """

    found: Decided
    options: Sequence[Tried]
    about: About
    cells: Sequence[CellRow]

    @property
    def badge(self) -> str:
        """The verdict in a few words."""
        return _BADGES[self.found.verdict].format(self.found.chosen.option.model or "no model")

    @property
    def missing(self) -> list[str]:
        """The cells without a result."""
        evaluated = {row.cell for row in self.cells}
        return [cell for cell in self.about.cells if cell not in evaluated]

    @property
    def sentence(self) -> str:
        """The verdict with the two figures that decide; further sentences on gain and price."""
        chosen, rival = self.found.chosen.option, self.found.rival.option
        gain = in_points(self.found.gain)
        told = {
            "fine-tune": self._fine_tune,
            "do not fine-tune": self._do_not,
            "use": self._use,
            "undecided": self._undecided,
        }[self.found.verdict](_figure(chosen), _figure(rival, ","), gain)
        return " ".join([f"{self.badge}: {told}", *self._price()])

    def _fine_tune(self, chosen: str, rival: str, gain: str) -> str:
        others = len(self.options) - sum(one.option.kind == "fine-tuned" for one in self.options)
        run = " that were run" if self.missing else ""
        more = ""
        if larger := self.found.larger:
            more = (
                f" More rows are not shown to help: {larger.option.train_size:,} get "
                f"{larger.option.accuracy:.3f}."
            )
        return (
            f"{chosen} and beats each of the {others} options without fine-tuning{run}. The "
            f"strongest of them, {rival}: {gain}.{more}"
        )

    def _do_not(self, chosen: str, rival: str, gain: str) -> str:
        best = self.found.best
        told = f"{chosen}; the best fine-tuned option, {rival}: {gain}"
        if margin := self.about.smallest_gain:
            told += f", which excludes that fine-tuning gains {_points(margin, '')} points"
        if best is not self.found.chosen:
            told += ". It is the cheapest option that is not shown to be worse than the best, "
            told += best.option.name + f" ({best.option.accuracy:.3f})"
        return f"{told}."

    def _use(self, chosen: str, rival: str, gain: str) -> str:
        others = len(self.found.gains)
        beaten = f"each of the {others} others" if others > 1 else "the other"
        run = " that were run" if self.missing else ""
        return f"{chosen} and beats {beaten}{run}. The strongest, {rival}: {gain}."

    def _undecided(self, chosen: str, rival: str, gain: str) -> str:
        found = self.found
        told = f"{chosen}; the strongest rival, {rival}: {gain}"
        margin = f" {_points(self.about.smallest_gain, '')} points"
        if self.about.smallest_gain and found.candidates:
            told += f", where a gain above{margin} counts"
        if 2 * found.gain.above < LEVEL and found.family > 1:
            told += f", too little after the correction for {found.family} fine-tuned options"
        texts, shown = found.texts_needed, found.detectable
        settled = (
            "No number of texts would show a difference that is not there"
            if texts is None
            else f"About {texts:,} texts would settle it"
        )
        could = "no difference" if shown is None else f"{_points(shown, '')} points or more"
        told = f"{told}. {settled}; these {found.gain.n:,} show {could}."
        if not found.candidates:
            enough = cheapest(self.options, found.best, self.about)
            if enough is not found.chosen:
                told += f" The cheapest option that is not shown to be worse: {enough.option.name}."
        return told

    def _price(self) -> Iterator[str]:
        """What a point of accuracy costs, where the prices are known."""
        chosen = self.found.chosen.option
        priced = [
            gain.over.option
            for gain in self.found.gains
            if gain.over.option.cost_per_1000 is not None
        ]
        rival = self.found.rival.option
        if rival not in priced:
            rival = max(priced, key=lambda one: one.accuracy, default=rival)
        if self.found.verdict != "do not fine-tune" and (price := price_of_a_point(chosen, rival)):
            yield price

    @property
    def against(self) -> list[str]:
        """What speaks against it, the most important first."""
        return list(self._doubts())[:_MOST]

    def _doubts(self) -> Iterator[str]:
        if self.missing:
            one = "is" if len(self.missing) == 1 else "are"
            yield (
                f"{len(self.missing)} of {len(self.about.cells)} cells {one} missing: "
                f"{_listed(self.missing)}."
            )
        yield from self._unbeaten()
        yield from self._later_limits()
        yield from self._weak_rivals()
        if self.about.groups is not None and len(set(self.about.groups)) < _FEW_GROUPS:
            yield (
                f"The texts come in {len(set(self.about.groups))} groups: so few show their "
                "spread only roughly."
            )
        yield from self._luck()
        differing = self.found.gain.differing
        if differing < _FEW_TEXTS:
            yield f"Only {differing} of {self.found.gain.n:,} texts tell the two apart."
        if {row.model for row in self.cells} <= set(self.about.local_models):
            better = "need no fine-tuning" if self.found.candidates else "do better"
            yield f"Every model ran on this machine; a larger one may {better}."

    def _unbeaten(self) -> Iterator[str]:
        """The options besides the rival that the chosen one is not shown to beat."""
        found = self.found
        if found.verdict != "undecided":
            return
        gains = [gain for gain in found.gains if 2 * gain.above >= LEVEL and gain is not found.gain]
        if gains:
            one = max(gains, key=lambda gain: gain.over.option.accuracy).over.option
            more = f" and {len(gains) - 1} more" if len(gains) > 1 else ""
            yield f"Not shown to be beaten either: {one.name} ({one.accuracy:.3f}){more}."

    def _later_limits(self) -> Iterator[str]:
        """The cells whose limits are not those of the time of their recording."""
        later = [row.cell for row in self.cells if row.has_later_limits]
        if later:
            yield f"Limits were set after the recording began: those of {_listed(later)}."

    def _weak_rivals(self) -> Iterator[str]:
        kinds = {one.option.kind for one in self.options}
        if self.found.candidates and "rival" not in kinds:
            yield "No classical rival was compared: recording with scikit-learn adds them."
        prompts = [one for one in self.options if one.option.kind == "prompt"]
        constant = self.options[0]
        if prompts and all(
            2 * Gain(one, constant, self.about.groups).above >= LEVEL for one in prompts
        ):
            yield (
                f"No prompt is shown to beat {constant.option.name} "
                f"({constant.option.accuracy:.3f}): the prompts are weak rivals."
            )

    def _luck(self) -> Iterator[str]:
        """What was drawn or worded once only, so that its luck is not measured."""
        prompted = [row for row in self.cells if not row.train_size]
        draws = {row.example_draw for row in prompted if row.shots}
        once = {
            "training": bool(self.found.candidates) and self._tuned.runs == 1,
            "draw of examples": len(draws) == 1,
            "wording": len({row.instruction for row in prompted}) == 1,
        }
        if named := [f"one {what}" for what, is_once in once.items() if is_once]:
            *first, last = named
            listed = f"{', '.join(first)} and {last}" if first else last
            yield f"{listed.capitalize()} {'were' if first else 'was'} tried: {_ITS[bool(first)]}."

    @property
    def _tuned(self) -> Tried:
        """The fine-tuned option of the comparison that decides."""
        sides = self.found.chosen, self.found.rival
        return next(one for one in sides if one.option.kind == "fine-tuned")

    @property
    def statistics(self) -> str:
        """One line for those who read statistics."""
        found, gain = self.found, self.found.gain
        many = len(found.gains)
        head = f"Largest p of {many}" if many > 1 else "p"
        test = "McNemar mid-p" if gain.is_mcnemar else f"t test, df {gain.spread.degrees:.0f}"
        parts = [f"{head} ({test}) {shown_p(found.largest_p)}"]
        if found.family > 1:
            tuned = found.verdict != "do not fine-tune"
            parts[0] += f", {'Holm' if tuned else 'Bonferroni'} of {found.family}: "
            parts[0] += shown_p(found.p)
        groups = "" if gain.groups is None else f" in {len(set(gain.groups))} groups"
        parts.append(f"{gain.n:,} texts{groups}, {gain.differing} differ")
        if (runs := max(gain.first.runs, gain.over.runs)) > 1:
            parts.append(f"{runs} trainings")
        return f"{'; '.join(parts)}."


_ITS = {False: "its luck is not measured", True: "their luck is not measured"}


def _figure(option: Option, comma: str = "") -> str:
    """An option with its accuracy, as a clause; with a comma where it follows one."""
    runs = option.runs
    spread = (
        f" (mean of {len(runs)} trainings, {min(runs):.3f} to {max(runs):.3f})"
        if len(runs) > 1
        else ""
    )
    comma = "," if ", " in option.name else comma
    return f"{option.name}{comma} gets {option.accuracy:.3f}{spread}"


def _listed(cells: Sequence[str]) -> str:
    named = list(cells[:_NAMED])
    last = f"{len(cells) - _NAMED} more" if len(cells) > _NAMED else named.pop()
    return f"{', '.join(named)} and {last}" if named else last


def in_points(gain: Gain) -> str:
    """A difference in percentage points with its interval."""
    low, high = gain.interval
    return f"{_points(gain.difference)} points (95 % interval {_points(low)} to {_points(high)})"


def _points(share: float, sign: str = "+") -> str:
    return f"{round(share * 100, 1) + 0.0:{sign}g}"


def shown_p(p: float) -> str:
    """A p-value with two digits."""
    return f"{p:.2g}" if p >= _SMALLEST_P else f"< {_SMALLEST_P}"
