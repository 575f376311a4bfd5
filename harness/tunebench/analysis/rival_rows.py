"""The rivals of experiments as rows of ``results.json``: recorded, replayed, and trained again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebench.analysis.rival_file import RecordedRival, write_rivals
from tunebench.analysis.rival_training import MISSING, Contest
from tunebench.analysis.rivals import INSTALL, is_installed
from tunebench.errors import ResultsError, TunebenchError
from tunebench.evaluation import Runner
from tunebench.experiment import Experiment
from tunebench.settings import refuse_links

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tunebench.analysis.rival_training import Asked
    from tunebench.analysis.rivals import Rival


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
            found: RecordedRival | str = MISSING if again else contest.found(rival, size)
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
        made.notes += [_note(contest, MISSING, lacking)] if lacking else []
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
) -> Iterator[Contest]:
    """The contests of experiments; one whose data or recorded rivals fail is a complaint."""
    for path in paths:
        try:
            contest = Contest(Experiment.read(path), asked)
            if contest.entries and reading:
                _ = contest.recorded, contest.texts
        except TunebenchError as error:
            complaints.append(str(error))
        else:
            yield contest


def _never_asked(*_: object) -> Mapping[str, bytes]:
    raise AssertionError("recorded predictions need no embeddings")


def _note(contest: Contest, why: str, entries: Sequence[tuple[Rival, int]]) -> str:
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
    contest: Contest, recorded: RecordedRival | str, trained: RecordedRival
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
