"""The rivals of experiments as rows of ``results.json``: recorded, replayed, and trained again."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tunebench.analysis.rival_file import (
    RecordedRival,
    read_rivals,
    rows_sha256,
    short_sha256,
    write_rivals,
)
from tunebench.analysis.rivals import INSTALL, is_installed, rivals_for
from tunebench.errors import ResultsError, TunebenchError, describe_error
from tunebench.evaluation import (
    Runner,
    recalled_of,
    rival_texts,
    rows_of,
    test_rows,
    test_texts,
    train_rows,
)
from tunebench.experiment import Experiment
from tunebench.reports import waited_for
from tunebench.settings import refuse_links
from tunebench.statistics import clustered_interval, majority_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tunebench.analysis.rivals import Rival
    from tunebench.experiment import EmbeddingRival

    # Gives the embeddings of texts (by item id) by text.
    Asked = Callable[[Experiment, EmbeddingRival, Mapping[str, str]], Mapping[str, bytes]]

_MISSING = "not recorded"
_OTHER_TRAINING = "recorded for other training rows"
_OTHER_TEXTS = "recorded for other test texts"
_OTHER_MODEL = "recorded with another model or other parameters"


@dataclass
class RivalRows:
    """What is known of the rivals of a run.

    Attributes:
        rows: entries of ``rivals`` in ``results.json``, each after the path of its experiment.
        complaints: what failed, a sentence each.
        notes: rivals that are left out, a sentence for each reason.
    """

    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Contest:
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
            return _MISSING
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


def record_rivals(paths: Iterable[str], asked: Asked, *, again: bool) -> RivalRows:
    """Train what is not recorded for the rows of experiments, and write it to their files.

    Args:
        paths: the experiments' files.
        asked: gives embeddings, and records them.
        again: whether what is recorded is trained again, too.

    Returns:
        All that are recorded then. Those whose library is not installed, and those that the
        training rows teach nothing, are a note.
    """
    made = RivalRows()
    for contest in _contests(paths, asked, made.complaints, reading=not again):
        recorded, kept = {} if again else contest.recorded or {}, []
        lacking: list[tuple[Rival, int]] = []
        for rival, size in contest.waited:
            found: RecordedRival | str = _MISSING if again else contest.found(rival, size)
            if isinstance(found, str) and not is_installed(rival):
                lacking.append((rival, size))
            elif isinstance(found, str):
                try:
                    found = contest.trained(rival, size)
                except ResultsError as error:
                    made.notes.append(contest.complaint(rival, size, error))
                except Exception as error:  # libraries of others raise what they like
                    made.complaints.append(contest.complaint(rival, size, error))
            if isinstance(found, RecordedRival):
                kept.append(found)
                made.rows.append((str(contest.experiment.path), contest.row(found)))
        if any(one is not recorded.get((one.rival, one.train_size)) for one in kept):
            experiment = contest.experiment
            refuse_links(experiment.rivals_file, experiment.path)
            write_rivals(experiment.rivals_file, experiment.name, kept)
        made.notes += [_note(contest, _MISSING, lacking)] if lacking else []
    made.complaints = list(dict.fromkeys(made.complaints))
    return made


def recorded_rivals(paths: Iterable[str]) -> RivalRows:
    """The recorded rivals of experiments."""
    made = RivalRows()
    for contest in _contests(paths, _never_asked, made.complaints):
        left_out: dict[str, list[tuple[Rival, int]]] = {}
        for rival, size in contest.entries:
            found = contest.found(rival, size)
            if isinstance(found, str):
                left_out.setdefault(found, []).append((rival, size))
            else:
                made.rows.append((str(contest.experiment.path), contest.row(found)))
        made.notes += (_note(contest, why, entries) for why, entries in left_out.items())
    return made


def trained_rivals(paths: Iterable[str]) -> RivalRows:
    """The rivals of experiments, trained; where they are recorded, both must agree."""
    made = RivalRows()
    runner = Runner()
    try:
        for contest in _contests(paths, runner.embed, made.complaints):
            if not contest.entries:
                none = ResultsError(
                    "--rivals trains on the rows of each training size, and there is none",
                    where=contest.experiment.path,
                    hint="name some in [matrix] train_sizes, or leave the option out",
                )
                made.complaints.append(str(none))
            for rival, size in contest.waited:
                try:
                    one = contest.trained(rival, size)
                    made.rows.append((str(contest.experiment.path), contest.row(one)))
                except Exception as error:  # libraries of others raise what they like
                    made.complaints.append(contest.complaint(rival, size, error))
                else:
                    made.complaints += _differences(contest, contest.found(rival, size), one)
    finally:
        runner.close()
    made.complaints = list(dict.fromkeys(made.complaints))
    return made


def _contests(
    paths: Iterable[str], asked: Asked, complaints: list[str], *, reading: bool = True
) -> Iterator[_Contest]:
    """The contests of experiments; one whose data or recorded rivals fail is a complaint."""
    for path in paths:
        try:
            contest = _Contest(Experiment.read(path), asked)
            if contest.entries and reading:
                _ = contest.recorded, contest.texts
        except TunebenchError as error:
            complaints.append(str(error))
        else:
            yield contest


def _never_asked(*_: object) -> Mapping[str, bytes]:
    raise AssertionError("recorded predictions need no embeddings")


def _note(contest: _Contest, why: str, entries: Sequence[tuple[Rival, int]]) -> str:
    """A sentence about rivals that are left out for one reason."""
    missing = next((rival for rival, _ in entries if not is_installed(rival)), None)
    hint = "record them with --record=missing"
    if missing is not None:
        hint = f"install {missing.library} ({INSTALL}), and {hint}"
    if contest.recorded is None:
        problem = "no rivals are recorded"
    else:
        named = dict.fromkeys(f"{rival.name} on {size} rows" for rival, size in entries)
        problem = f"left out, since they are {why}: {', '.join(named)}"
    return str(ResultsError(problem, where=contest.experiment.rivals_file, hint=hint))


def _differences(
    contest: _Contest, recorded: RecordedRival | str, trained: RecordedRival
) -> Iterator[str]:
    """A sentence if a recorded rival has other predictions than the one that was trained now."""
    if isinstance(recorded, str):
        return
    before = recorded.predictions_for(contest.texts) or []
    pairs = zip(before, trained.predictions, strict=True)
    if differing := sum(old != new for old, new in pairs):
        versions = {
            name: f"{name} {recorded.versions.get(name, '-')} then and {version} now"
            for name, version in trained.versions.items()
        }
        with_ = f" ({', '.join(versions.values())})" if versions else ""
        yield str(
            ResultsError(
                f"{trained.rival} on {trained.train_size} rows: {differing} of {len(before)} "
                f"predictions differ from the recorded ones{with_}",
                where=contest.experiment.rivals_file,
                hint="install the versions that recorded them, or record again with --record=all",
            )
        )


def _versions(library: str) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in (library, "numpy", "scipy") if library else ():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
