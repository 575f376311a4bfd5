"""The embeddings of rivals: recorded once and then replayed, as cells are."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunebench.cassettes import blocked_network, item_index, use_cassette
from tunebench.errors import CassetteError, RecordingError, RequestError, TunebenchError
from tunebench.evaluation.connections import known_names
from tunebench.evaluation.estimate import Estimate, answers_announcement
from tunebench.evaluation.recording import cassette_file, recorded_file
from tunebench.evaluation.requests import in_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tunebench.evaluation.budget import Budget
    from tunebench.evaluation.connections import Connections, StartProvider
    from tunebench.evaluation.recording import Progress
    from tunebench.experiment import EmbeddingRival, Experiment
    from tunebench.settings import RecordMode

_HINT = "record it with --record=missing"


@dataclass
class Embedder:
    """Asks the providers of rivals for embeddings.

    Attributes:
        record: see `tunebench.evaluation.runner.Runner`, also for the three others.
        connections: to providers.
        start_provider: called before a request is sent.
        budget: the limits of recordings.
        unplayed: for each cassette that was replayed to the end, its unused rows.
    """

    record: RecordMode
    connections: Connections
    start_provider: StartProvider
    budget: Budget
    unplayed: dict[Path, list[str]] = field(default_factory=dict)

    def vectors(
        self,
        experiment: Experiment,
        rival: EmbeddingRival,
        texts: Mapping[str, str],
        progress: Progress,
    ) -> dict[str, bytes]:
        """The embeddings by text, as float32, all of one width; see `Runner.embed`."""
        try:
            if self.record != "none":
                self._recorded(experiment, rival, texts, progress)
            with blocked_network(rival_recording(rival)):
                return self._replayed(experiment, rival, texts)
        except TunebenchError as error:
            name = rival_recording(rival)
            where = error.where or name
            where = where if where.startswith(name) else f"{name}: {where}"
            raise RecordingError(error.problem, where=where, hint=error.hint) from error

    def _recorded(
        self,
        experiment: Experiment,
        rival: EmbeddingRival,
        texts: Mapping[str, str],
        progress: Progress,
    ) -> None:
        path = experiment.embeddings_cassette(rival)
        with (
            recorded_file(experiment, path, rival_recording(rival), self.record) as file,
            # Numbers are all that is stored of an embedding, so it cannot repeat a text.
            use_cassette(
                file,
                before_send=lambda: self.start_provider(
                    experiment, rival.provider, rival.model, progress.say
                ),
                items=item_index(texts),
                hint=_HINT,
                answers_as=known_names(experiment, rival.provider),
            ) as cassette,
        ):
            client = self.connections.client(experiment, rival.provider, recording=True)
            fields = {"model": rival.model, **rival.parameters}
            wanted = list(dict.fromkeys(texts.values()))
            lacking = cassette.lacking("POST embeddings", fields, wanted)
            progress.answered(len(wanted) - len(lacking))
            name, needed = rival_recording(rival), len(lacking)
            lacking = lacking[: self.budget.allowed(name, needed)]
            if lacking:
                estimate = Estimate.of_embeddings(rival, lacking, file)
                if (line := answers_announcement(estimate, len(lacking))) is not None:
                    progress.say(line)
                self.budget.take(estimate)
            try:
                client.embed(
                    rival.model,
                    lacking,
                    rival.parameters,
                    done=progress.answered,
                    say=lambda line: progress.say(f"{rival.name}: {line}"),
                    check=lambda: self.budget.check_time(name),
                )
            except RequestError as error:
                if error.prompt is None:
                    raise
                refused = lacking[error.prompt]
                item = next(item for item, text in texts.items() if text == refused)
                raise in_row(experiment, name, item, error) from error
            if left := needed - len(lacking):
                self.budget.refuse_more(name, left)

    def _replayed(
        self, experiment: Experiment, rival: EmbeddingRival, texts: Mapping[str, str]
    ) -> dict[str, bytes]:
        path = experiment.embeddings_cassette(rival)
        client = self.connections.client(experiment, rival.provider, recording=False)
        with (
            closing(cassette_file(experiment, path, rival_recording(rival))) as file,
            use_cassette(file, before_send=None, items=item_index(texts), hint=_HINT) as cassette,
        ):
            wanted = list(dict.fromkeys(texts.values()))
            replies = client.embed(rival.model, wanted, rival.parameters)
            found = [vector for reply in replies for vector in reply.vectors]
            if len({len(vector) for vector in found}) > 1:
                raise CassetteError(
                    "its embeddings have different widths, so they are not of one model",
                    where=path,
                    hint="record them again: delete the file, then --record=missing",
                )
            self.unplayed[path] = cassette.unplayed
        return dict(zip(wanted, found, strict=True))


def rival_recording(rival: EmbeddingRival) -> str:
    """What the cassette of a rival's embeddings holds, for its header."""
    return f"{rival.name} (rival)"
