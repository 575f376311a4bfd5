"""A vcrpy cassette over a file: the rows that were played, and vcrpy's view of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunebench.cassettes.line_file import start_of
from tunebench.cassettes.lines import is_note
from tunebench.cassettes.network import hidden_key_log
from tunebench.cassettes.stored import COMPOSED
from tunebench.cassettes.totals import Tally

# vcrpy imports the libraries that it patches, and aiohttp makes TLS contexts as it is imported.
with hidden_key_log():
    from vcr.cassette import Cassette
    from vcr.patch import PATCHER_NAMES
    from vcr.record_mode import RecordMode

if TYPE_CHECKING:
    from vcr.request import Request

    from tunebench.cassettes.reading import StoredAnswer
    from tunebench.cassettes.store import CassetteFile
    from tunebench.cassettes.totals import Totals

# The openai client uses httpx2. Any other connection while a cassette is in use, such as the start
# of the local provider, is not traffic of the experiment.
_OTHER_LIBRARIES = tuple(name for name in PATCHER_NAMES if name != "httpx2")


class OwnCassette(Cassette):  # type: ignore[misc]
    """A cassette that keeps what it records by itself."""

    def __init__(self, path: str = "", *, recording: bool = True) -> None:
        super().__init__(
            path,
            record_mode=RecordMode.NEW_EPISODES if recording else RecordMode.NONE,
            skip_patchers=_OTHER_LIBRARIES,
        )

    def _load(self) -> None:
        self.rewound = True

    def _save(self, force: bool = False) -> None:
        """Nothing: each answer was saved when it came."""


class Rows:
    """A set of rows by their positions: a byte for each 128 of the cassette.

    No two rows begin in the same 128 bytes: what every row has, with its hashes, is longer.
    """

    def __init__(self) -> None:
        self._marks = bytearray()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, position: int) -> bool:
        at = start_of(position)[0] >> 7
        return at < len(self._marks) and bool(self._marks[at])

    def add(self, position: int) -> bool:
        """Add a row; whether it was not there."""
        at = start_of(position)[0] >> 7
        if at >= len(self._marks):
            self._marks.extend(bytes(max(at - len(self._marks) + 1, len(self._marks) // 8)))
        if self._marks[at]:
            return False
        self._marks[at] = 1
        self._count += 1
        return True


class FileCassette(OwnCassette):
    """The rows of a `CassetteFile` in the place of vcrpy's list of interactions."""

    def __init__(self, path: str, file: CassetteFile, *, recording: bool) -> None:
        super().__init__(path, recording=recording)
        self.file = file
        self.recording = recording
        self._played, self._spared = Rows(), Rows()
        self._tally = Tally()

    def totals(self) -> Totals:
        """Totals over the rows that were first played since this was called last.

        Those of ``/tokenize`` do not count.
        """
        tally, self._tally = self._tally, Tally()
        return tally.totals

    @property
    def unplayed(self) -> list[str]:
        """The keys of the rows that were neither played nor spared, in the order of the file."""
        if self.all_played:
            return []
        unused = (
            at for at in self.file.positions() if at not in self._played and at not in self._spared
        )
        rows = map(self.file.answer, unused)
        return [row.row.key for row in rows if not is_note(row.request.endpoint)]

    def _play(self, row: StoredAnswer) -> None:
        if self._played.add(row.position) and row.request.endpoint in COMPOSED:
            self._tally.add(row)

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
        return len(self._played) == len(self.file)
