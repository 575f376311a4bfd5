"""``tfds:NAME``: any set of TFDS, by a builder that is prepared on the spot."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow_datasets as tfds

from tunebench.datasets import Options, load
from tunebench.datasets.splitting import is_held_out
from tunebench.errors import DatasetError

QUEUES = ("login", "billing")


def example(split: str, i: int) -> dict[str, Any]:
    return {"body": f"{split} ticket {i}", "queue": QUEUES[i % 2], "urgent": "no"}


class _Tickets(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    SPLITS = ("train", "test")
    LABEL: Any = tfds.features.ClassLabel(names=list(QUEUES))
    pkg_dir_path = Path(__file__).parent

    def _info(self) -> Any:
        features = {"body": tfds.features.Text(), "queue": self.LABEL}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self.SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for i in range(40):
            row = example(split, i)
            yield i, {"body": row["body"], "queue": row["queue"]}


class OwnTickets(_Tickets):
    """Two splits, labels by number."""


class OwnTicketsUnsplit(_Tickets):
    """One split, labels by name."""

    SPLITS = ("train",)
    LABEL = tfds.features.Text()


class OwnTicketsOverlapping(_Tickets):
    """Four texts are in both splits, one of them with another label in each row."""

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for i in range(40):
            yield i, {"body": f"{'' if i < 4 else split} ticket {i}", "queue": QUEUES[i % 2]}
        yield 40, {"body": f"{split} ticket 39", "queue": QUEUES[0]}
        yield 41, {"body": " ", "queue": QUEUES[0]}
        yield 42, {"body": f"{split}  ticket 20", "queue": QUEUES[0]}


class OwnTicketsUnreachable(_Tickets):
    """Its host cannot be reached."""

    url_infos = {"http://nowhere.invalid/tickets.zip": None}  # noqa: RUF012


Load = Callable[..., Any]


@pytest.fixture
def read(tmp_path: Path) -> Load:
    def read(name: str, *labels: str, **options: Any) -> Any:
        options = {"label_column": "queue", **options}
        return load(name, Options(labels=labels or QUEUES, **options), data_dir=tmp_path)

    return read


def by_name(data: Any, frame: Any, names: tuple[str, ...]) -> dict[str, str]:
    return {t: names[i] for t, i in zip(frame["text"], frame["label"], strict=True)}


@pytest.mark.parametrize("labels", [QUEUES, QUEUES[::-1]])
@pytest.mark.parametrize("name", ["tfds:own_tickets", "tfds:own_tickets_unsplit"])
def test_labels_follow_the_names_whatever_their_order(name: str, labels, read: Load) -> None:
    data = read(name, *labels, text_column="body")
    rows = {**by_name(data, data.train, labels), **by_name(data, data.test, labels)}
    splits = ("train",) if "unsplit" in name else ("train", "test")
    made = [example(split, i) for split in splits for i in range(40)]
    assert rows == {row["body"]: row["queue"] for row in made}


def test_the_splits_of_the_set_are_kept_and_its_only_text_feature_is_found(read: Load) -> None:
    data = read("tfds:own_tickets", label_column=None)
    assert all(text.startswith("train") for text in data.train["text"])
    assert all(text.startswith("test") for text in data.test["text"])
    assert (len(data.train), len(data.test), data.report.share) == (40, 40, None)


def test_other_label_names_are_taken_by_position(read: Load) -> None:
    data = read("tfds:own_tickets", "Cannot log in", "Bill")
    numbered = by_name(data, data.test, QUEUES)
    assert numbered == {f"test ticket {i}": QUEUES[i % 2] for i in range(40)}


def test_a_set_without_a_test_split_is_split_by_its_texts(read: Load) -> None:
    data = read("tfds:own_tickets_unsplit", text_column="body", test_share=0.3, seed=5)
    expected = {f"train ticket {i}" for i in range(40)}
    held_out = {text for text in expected if is_held_out(text, 0.3, 5)}
    assert set(data.test["text"]) == held_out
    assert set(data.train["text"]) == expected - held_out


def test_unusable_rows_of_a_public_set_are_left_out_and_counted(read: Load) -> None:
    with pytest.raises(DatasetError, match="4 texts of the split 'train' are also in 'test'"):
        read("tfds:own_tickets_overlapping")
    report = read("tfds:own_tickets_overlapping", overlap="move").report
    assert (report.rows, report.repeated, report.unusable, report.moved) == (86, 2, 6, 4)
    assert (sum(report.train.values()), sum(report.test.values())) == (35, 39)


def test_a_second_load_reads_the_copy_and_imports_no_tfds(read: Load, tmp_path: Path) -> None:
    first = read("tfds:own_tickets")
    code = (
        "import sys; from tunebench.datasets import Options, load; "
        f"options = Options(labels={QUEUES!r}, label_column='queue'); "
        f"data = load('tfds:own_tickets', options, data_dir={str(tmp_path)!r}); "
        "assert 'tensorflow_datasets' not in sys.modules; print(*data.test['item'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == first.test["item"].tolist(), done.stderr


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("tfds:own_ticketz", {}, "TFDS has no data set 'own_ticketz'; did you mean 'tfds:own_"),
        ("tfds:own_tickets/nothing", {}, "TFDS cannot make 'own_tickets/nothing' ("),
        ("tfds:own_tickets", {"text_column": "bodi"}, "'tfds:own_tickets' has no feature 'bodi', "
         "which text_column names; did you mean 'body'?"),
        ("tfds:own_tickets_unsplit", {}, "'tfds:own_tickets_unsplit' has no feature 'text' but "
         "'body', 'queue'; set text_column to one of them in [task]."),
        ("tfds:own_tickets_unsplit", {"text_column": "body", "labels": ("logins", "billing")},
         "'tfds:own_tickets_unsplit': the label 'login' is not among the labels of [task]; did "
         "you mean 'logins'?"),
    ],
)  # fmt: skip
def test_unknown_sets_features_and_labels_are_errors(
    name, options, sentence, tmp_path: Path
) -> None:
    options = {"labels": QUEUES, "label_column": "queue", **options}
    with pytest.raises(DatasetError) as raised:
        load(name, Options(**options), data_dir=tmp_path)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


def test_offline_its_host_is_tried_once(read: Load, unreachable: list[str]) -> None:
    with pytest.raises(DatasetError) as raised:
        read("tfds:own_tickets_unreachable")
    assert str(raised.value) == (
        "Cannot reach nowhere.invalid:80 to download http://nowhere.invalid/tickets.zip (Network "
        "is unreachable); check the network and the proxy settings, or prepare "
        "'tfds:own_tickets_unreachable' elsewhere and set TFDS_DATA_DIR to its folder."
    )
    assert unreachable == ["nowhere.invalid"]
