import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tunebench.datasets import flat
from tunebench.datasets.dataset import Columns, to_frame

reviews = st.lists(st.tuples(st.text(), st.text(), st.integers(0, 9)), max_size=5).map(
    lambda rows: Columns(
        item=[row[0] for row in rows],
        text=[row[1] for row in rows],
        label=[row[2] for row in rows],
    )
)


@given(splits=st.dictionaries(st.text(), reviews, max_size=3))
def test_any_texts_are_read_as_they_were_written(splits: dict[str, Columns]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flat.json"
        flat.write(path, splits)
        assert flat.read(path) == splits
        assert [file.name for file in Path(folder).iterdir()] == ["flat.json"]


@given(columns=reviews)
def test_any_texts_stay_themselves_in_a_frame(columns: Columns) -> None:
    frame = to_frame(columns)
    assert {name: frame[name].tolist() for name in frame} == columns


@given(data=st.data())
def test_one_changed_byte_is_noticed(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flat.json"
        flat.write(path, {"train": Columns(item=["a"], text=["Fine 🙂\n"], label=[1])})
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        assert flat.read(path) is None


@given(length=st.integers(0, 100))
def test_a_copy_cut_short_is_noticed(length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flat.json"
        flat.write(path, {"train": Columns(item=["a"], text=["Fine"], label=[1])})
        path.write_bytes(path.read_bytes()[:length])
        assert flat.read(path) is None


def test_no_copy_is_no_copy(tmp_path: Path) -> None:
    assert flat.read(tmp_path / "flat.json") is None
