"""A fine-tuning job, recorded in a cassette and replayed from it."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunebench.api import Client
from tunebench.api.fine_tuning import FineTuned, fine_tune
from tunebench.cassettes import CassetteFile, JobCassette, use_cassette

from .. import cassette_lines
from ..job_specs import TEXT, Teller, job_spec
from ..jobs_provider import JobsProvider


@dataclass
class RecordedJob:
    """A job's cassette, its provider, and who asks."""

    path: Path
    url: str
    jobs: JobsProvider
    teller: Teller = field(default_factory=Teller)

    @contextmanager
    def cassette(self, *, record: bool, texts: Any = (TEXT,)) -> Any:
        file = CassetteFile(self.path, experiment="films", recording="m-ft10 (job)")
        if record:
            file.start_recording()
        try:
            with (
                Client(self.url, "sk-secret-key" if record else "replay") as client,
                use_cassette(
                    file,
                    before_send=(lambda: None) if record else None,
                    items={},
                    texts=texts,
                    hint="record it",
                    kind=JobCassette,
                ) as cassette,
            ):
                yield client, cassette
        finally:
            file.close()

    def record(self, **spec: Any) -> FineTuned:
        with self.cassette(record=True) as (client, cassette):
            return fine_tune(client, job_spec(**spec), self.teller, cassette)

    def replay(self, **spec: Any) -> FineTuned:
        """Replay, as from a machine from which the provider cannot be reached."""
        self.jobs.requests.clear()
        self.jobs.naps.clear()
        with self.cassette(record=False) as (client, cassette):
            try:
                return fine_tune(client, job_spec(**spec), None, cassette)
            finally:
                assert (self.jobs.requests, self.jobs.naps) == ([], [])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What is stored: each row's request and answer."""
        by_id = {request["request"]: request for request in cassette_lines.requests(self.path)}
        return [by_id[row["request"]] | row for row in cassette_lines.rows(self.path)]

    @property
    def endpoints(self) -> list[str]:
        return [row["endpoint"].partition("?")[0] for row in self.rows]
