import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.evaluation import judge
from tunebench.evaluation.judgements import Readings

answers = st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 3)))


@given(answers=answers)
def test_an_answer_is_correct_if_it_is_the_label(answers: list[tuple[int, int | None]]) -> None:
    labels = [label for label, _ in answers]
    predictions = [prediction for _, prediction in answers]
    frame = judge([f"item-{i}" for i in range(len(answers))], labels, predictions)
    assert list(frame) == ["item", "label", "prediction", "correct"]
    assert frame["item"].tolist() == [f"item-{i}" for i in range(len(answers))]
    assert frame["label"].tolist() == labels
    assert frame["correct"].tolist() == [
        label == prediction for label, prediction in zip(labels, predictions, strict=True)
    ]
    assert frame["prediction"].isna().tolist() == [p is None for p in predictions]


def test_predictions_stay_whole_numbers_beside_missing_ones() -> None:
    frame = judge(["a", "b"], [0, 1], [None, 1])
    assert frame.dtypes.astype(str).to_dict()["prediction"] == "Int64"
    assert str(frame["correct"].dtype) == "bool"
    assert frame["prediction"].tolist()[1] == 1


def test_an_answer_without_a_label_is_wrong_whatever_the_label() -> None:
    assert judge(["a", "b"], [0, 1], [None, None])["correct"].sum() == 0


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same length"):
        judge(["a", "b"], [0, 1], [0])


@pytest.mark.parametrize("count", [1, 127, 128, 129, 300])
def test_as_many_readings_as_a_rule_has_are_kept(count: int) -> None:
    said = [f"reading {number}" for number in range(count)] * 2
    numbers = list(range(len(said)))
    frame = judge(list(map(str, numbers)), numbers, numbers, Readings(said))
    assert frame["reading"].tolist() == said
