"""A vcrpy cassette over a file: the rows that were played, and vcrpy's view of them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.lines import is_note
from tunebench.cassettes.network import hidden_key_log
from tunebench.cassettes.stored import COMPOSED
from tunebench.cassettes.totals import Played, Totals, totals_of

# vcrpy imports the libraries that it patches, and aiohttp makes TLS contexts as it is imported.
with hidden_key_log():
    from vcr.cassette import Cassette
    from vcr.patch import PATCHER_NAMES
    from vcr.record_mode import RecordMode

if TYPE_CHECKING:
    from vcr.request import Request

    from tunebench.cassettes.reading import StoredAnswer
    from tunebench.cassettes.store import CassetteFile

# The openai client uses httpx2. Any other connection while a cassette is in use, such as the start
# of the local provider, is not traffic of the experiment.
_OTHER_LIBRARIES = tuple(name for name in PATCHER_NAMES if name != "httpx2")


class FileCassette(Cassette):  # type: ignore[misc]
    """The rows of a `CassetteFile` in the place of vcrpy's list of interactions."""

    def __init__(self, path: str, file: CassetteFile, *, recording: bool) -> None:
        super().__init__(
            path,
            record_mode=RecordMode.NEW_EPISODES if recording else RecordMode.NONE,
            skip_patchers=_OTHER_LIBRARIES,
        )
        self.file = file
        self.recording = recording
        self.played: dict[int, Played] = {}
        self.spared: set[int] = set()

    def totals(self, since: int = 0) -> Totals:
        """Totals over the rows that were played, without those of ``/tokenize``.

        Args:
            since: how many of the rows, in the order in which they were first played, are left out.
        """
        rows = islice(self.played.values(), since, None)
        return totals_of(row for row in rows if row.request.endpoint in COMPOSED)

    @property
    def unplayed(self) -> list[str]:
        """The keys of the rows that were neither played nor spared, in the order of the file."""
        if self.all_played:
            return []
        used = self.played.keys() | self.spared
        rows = (self.file.answer(at) for at in self.file.positions() if at not in used)
        return [row.row.key for row in rows if not is_note(row.request.endpoint)]

    def _play(self, row: StoredAnswer) -> None:
        self.played[row.position] = Played.of(row)

    # Overridden of vcrpy.

    def find_requests_with_most_matches(self, _request: Request) -> list[Any]:
        """Nothing: a miss has been explained before vcrpy calls this."""
        return []

    def __len__(self) -> int:
        return len(self.file)

    @property
    def requests(self) -> list[Any]:
        """The requests of the stored rows."""
        return [row.request for row in self.file.rows()]

    @property
    def responses(self) -> list[Any]:
        """The stored answers."""
        return [row.row.answer for row in self.file.rows()]

    @property
    def all_played(self) -> bool:
        """Whether every row was played."""
        return len(self.played) == len(self.file)

    def _load(self) -> None:
        self.rewound = True

    def _save(self, force: bool = False) -> None:
        """Nothing: each answer was saved when it came."""
