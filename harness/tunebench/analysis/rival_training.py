"""The rivals of one experiment: what is recorded of them, their training, and their rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tunebench.analysis.rival_file import RecordedRival, read_rivals, rows_sha256, short_sha256
from tunebench.analysis.rivals import rivals_for
from tunebench.errors import ResultsError, TunebenchError, describe_error
from tunebench.evaluation import (
    recalled_of,
    rival_texts,
    rows_of,
    test_rows,
    test_texts,
    train_rows,
)
from tunebench.reports import waited_for
from tunebench.statistics import clustered_interval, majority_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tunebench.analysis.rivals import Rival
    from tunebench.experiment import EmbeddingRival, Experiment

    # Gives the embeddings of texts (by item id) by text.
    Asked = Callable[[Experiment, EmbeddingRival, Mapping[str, str]], Mapping[str, bytes]]

MISSING = "not recorded"
_OTHER_TRAINING = "recorded for other training rows"
_OTHER_TEXTS = "recorded for other test texts"
_OTHER_MODEL = "recorded with another model or other parameters"


@dataclass
class Contest:
    """The rivals of one experiment, and what they train on and are tested on."""

    experiment: Experiment
    asked: Asked
    _embedded: dict[str, Mapping[str, bytes] | TunebenchError] = field(default_factory=dict)

    @cached_property
    def recorded(self) -> dict[tuple[str, int], RecordedRival] | None:
        """By name and training size; None if there is no file."""
        found = read_rivals(self.experiment.rivals_file, self.experiment.name)
        return None if found is None else {(one.rival, one.train_size): one for one in found}

    @cached_property
    def entries(self) -> list[tuple[Rival, int]]:
        """Each rival with each training size, by size."""
        rivals = rivals_for(self.experiment, self._embeddings)
        return [(rival, size) for size in self.experiment.matrix.train_sizes for rival in rivals]

    @property
    def waited(self) -> Iterator[tuple[Rival, int]]:
        """The entries, with a bar where they take a while: many rows take minutes to train on."""
        return waited_for(self.entries, f"{self.experiment.name}: rivals", "rival")

    @cached_property
    def texts(self) -> list[str]:
        """The hashes of the test texts.

        Where the data set is not on this machine, they are those that were recorded for the items.
        """
        if not self._recalled:
            return [short_sha256(text) for text in test_rows(self.experiment)["text"]]
        known: dict[str, str] = {}
        for one in (self.recorded or {}).values():
            known |= zip(one.items, one.texts, strict=True)
        return [known.get(item, "") for item in test_texts(self.experiment).items]

    @cached_property
    def _recalled(self) -> bool:
        return recalled_of(self.experiment) is not None

    @cached_property
    def _train_sha256(self) -> dict[int, str]:
        rows = train_rows(self.experiment)
        texts, labels = rows["text"].tolist(), rows["label"].tolist()
        return rows_sha256(texts, labels, self.experiment.matrix.train_sizes)

    def found(self, rival: Rival, size: int) -> RecordedRival | str:
        """A rival's recorded predictions, or why there are none for these rows."""
        one = (self.recorded or {}).get((rival.name, size))
        if one is None:
            return MISSING
        if one.made_of != rival.made_of:
            return _OTHER_MODEL
        if not self._recalled and one.train_sha256 != self._train_sha256[size]:
            return _OTHER_TRAINING
        return _OTHER_TEXTS if one.predictions_for(self.texts) is None else one

    def trained(self, rival: Rival, size: int) -> RecordedRival:
        """A rival after its training."""
        train, test = rows_of(self.experiment, size), test_rows(self.experiment)
        lists = (train["text"].tolist(), train["label"].tolist(), test["text"].tolist())
        made = rival.predict(*lists)
        return RecordedRival(
            rival=rival.name,
            train_size=size,
            train_sha256=self._train_sha256[size],
            made_of=rival.made_of,
            items=test["item"].tolist(),
            texts=self.texts,
            predictions=made.labels,
            parameters=made.parameters,
            library=rival.library,
            versions=_versions(rival.library),
        )

    def row(self, one: RecordedRival) -> dict[str, Any]:
        """The row of recorded or trained predictions."""
        predictions, test = one.predictions_for(self.texts), test_texts(self.experiment)
        assert predictions is not None
        right = [said == label for said, label in zip(predictions, test.labels, strict=True)]
        n, correct = len(right), sum(right)
        low, high = clustered_interval(right, test.groups)
        return {
            "experiment": self.experiment.name,
            "model": one.rival,
            "train_size": one.train_size,
            "n": n,
            "correct": correct,
            "accuracy": correct / n,
            "ci_low": low,
            "ci_high": high,
            "majority_rate": majority_rate(test.labels),
            "parameters": dict(one.parameters),
            "library": one.library or None,
            "versions": dict(one.versions),
            "predictions": predictions,
        }

    def complaint(self, rival: Rival, size: int, error: Exception) -> str:
        """A sentence about a rival that could not be trained."""
        where = f"{self.experiment.path}: {rival.name} on {size} rows"
        if not isinstance(error, TunebenchError):
            return describe_error(f"{where}: it could not be trained", error)
        # An error of the data names its place, and is the same for all rivals.
        return str(ResultsError(error.problem, where=error.where or where, hint=error.hint))

    def _embeddings(self, experiment: Experiment, table: EmbeddingRival) -> Mapping[str, bytes]:
        """Asked once for all training sizes, also where that fails."""
        if table.name not in self._embedded:
            try:
                found = self.asked(experiment, table, rival_texts(experiment))
                self._embedded[table.name] = found
            except TunebenchError as error:
                self._embedded[table.name] = error
        known = self._embedded[table.name]
        if isinstance(known, TunebenchError):
            raise known
        return known


def _versions(library: str) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in (library, "numpy", "scipy") if library else ():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
