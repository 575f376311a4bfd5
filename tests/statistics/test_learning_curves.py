import base64
import io
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.errors import ResultsError
from tunebench.errors.base import TunebenchError
from tunebench.statistics import accuracy_by_size, curve_of_metrics, epochs, read_curve
from tunebench.statistics.result_files import COLUMNS

OLDER = b"""\
step,elapsed_tokens,elapsed_examples,training_loss,training_token_accuracy,validation_loss,\
validation_token_accuracy,classification/accuracy,classification/f1.0
1,100,8,0.75,0.5,,,,
2,210,16,0.25,0.625,0.5,0.75,0.75,0.6
3,330,24,0.125,1,,,,
4,440,32,0.375,1,0.25,1.0,0.875,0.8
"""
NEWER = b"""\
step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy
1,0.75,0.5,,
2,0.25,0.625,0.5,0.75
"""

rates = st.floats(0, 1) | st.just(math.nan)
losses = st.floats(0, allow_infinity=False) | st.just(math.nan)


@st.composite
def curves(draw):
    steps = sorted(draw(st.sets(st.integers(0, 10**6), min_size=1, max_size=8)))
    names = draw(st.lists(st.sampled_from(COLUMNS[1:]), unique=True))
    columns = {"step": np.array(steps, dtype="int64")}
    for name in names:
        if name.startswith("elapsed"):
            kind, cells = "int64", st.integers(0, 10**12)
        else:
            kind, cells = "float64", losses if name.endswith("loss") else rates
        found = draw(st.lists(cells, min_size=len(steps), max_size=len(steps)))
        columns[name] = np.array(found, dtype=kind)
    return pd.DataFrame(columns)


def as_csv(curve, **options):
    return curve.to_csv(index=False, **options).encode()


@given(curve=curves())
def test_what_is_written_as_csv_is_read_back_exactly(curve):
    pd.testing.assert_frame_equal(read_curve(as_csv(curve)), curve, check_exact=True)


@given(
    curve=curves(),
    ending=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    wrapped=st.booleans(),
)
def test_base64_is_read_as_what_it_holds(curve, ending, mark, wrapped):
    content = mark + as_csv(curve, lineterminator=ending)
    packed = base64.encodebytes(content) if wrapped else base64.b64encode(content)
    pd.testing.assert_frame_equal(read_curve(packed), read_curve(content))
    pd.testing.assert_frame_equal(read_curve(content), curve, check_exact=True)


@given(content=st.binary() | st.text().map(str.encode) | st.text("step,1\n").map(str.encode))
def test_any_content_is_a_curve_or_one_sentence(content):
    try:
        said = f"the result file has {len(read_curve(content))} steps."
    except ResultsError as error:
        said = str(error)
    assert said.startswith("the result file")
    assert said.endswith(".")


def test_the_older_columns_keep_their_names():
    curve = read_curve(OLDER)
    assert curve["step"].tolist() == [1, 2, 3, 4]
    assert curve["elapsed_tokens"].tolist() == [100, 210, 330, 440]
    assert curve["classification/accuracy"].isna().tolist() == [True, False, True, False]
    assert curve["training_token_accuracy"].dtype == "float64"


def test_the_newer_columns_get_the_older_names():
    curve = read_curve(NEWER)
    expected = ["step", "training_loss", "training_token_accuracy"]
    assert curve.columns.tolist() == [
        *expected,
        "validation_loss",
        "validation_token_accuracy",
    ]
    assert curve["training_loss"].tolist() == [0.75, 0.25]


def test_where_both_names_stand_both_are_kept():
    curve = read_curve(b"step,train_loss,training_loss\n1,2,3\n")
    assert curve.columns.tolist() == ["step", "train_loss", "training_loss"]


def test_further_columns_are_kept():
    curve = read_curve(b"step,gpu_hours,note\n1,0.5,fine\n2,,\n")
    assert curve["gpu_hours"].dtype == "float64"
    assert curve["note"].tolist()[0] == "fine"
    assert curve["note"].isna().tolist() == [False, True]


def test_a_file_of_steps_alone_is_a_curve():
    assert read_curve(b"step\n1234\n")["step"].tolist() == [1234]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "r.csv: the file is empty, so it is not CSV"),
        (b" \n", "r.csv: the file is empty, so it is not CSV"),
        (b"\xff\xfe\x00", "r.csv: the file is not text, so it is not CSV"),
        (b'step,a\n1,"2\n', "r.csv, line 2: this is not CSV (unexpected end of data)"),
        (b"epoch,loss\n1,2\n", "r.csv, line 1: there is no column `step`"),
        (b'{"error": {"message": "no"}}', "r.csv, line 1: there is no column `step`"),
        (b"step,a,a\n1,2,3\n", "r.csv, line 1: the column 'a' is there more than once"),
        (b"step,train_loss\n", "r.csv: there are no rows"),
        (b"step,a\n1,2,3\n", "r.csv, line 2: the row has 3 cells and the header 2"),
        (
            b"step,train_loss\n1,0.5\n\n2,low\n",
            "r.csv, line 4: the cell 'low' of the column 'training_loss' is not a number",
        ),
        (b"step,validation_loss\n1,1_0\n", "line 2: the cell '1_0' of the column"),
        (b"step\n1.5\n", "line 2: the cell '1.5' of the column 'step' is not a whole number"),
        (b"step,a\n,1\n", "r.csv, line 2: the cell '' of the column 'step' is not a whole number"),
        (b"step\n1\n3\n2\n", "r.csv, line 4: step 2 comes after step 3, and steps must ascend"),
        (b"step\n1\n1\n", "r.csv, line 3: step 1 comes after step 1, and steps must ascend"),
    ],
)
def test_a_wrong_file_is_an_error_with_its_line(content, sentence):
    with pytest.raises(ResultsError) as caught:
        read_curve(content, source="r.csv")
    assert sentence in str(caught.value)
    assert isinstance(caught.value, TunebenchError)
    assert str(caught.value).endswith(".")


def test_an_epoch_ends_where_the_model_was_validated():
    found = epochs(read_curve(OLDER))
    assert found["step"].tolist() == [2, 4]
    assert found["mean_training_loss"].tolist() == [0.5, 0.25]
    assert found["classification/f1.0"].tolist() == [0.6, 0.8]


def test_classification_metrics_mark_epochs_before_other_validation():
    content = b"step,training_loss,validation_loss,classification/accuracy\n1,1,3,\n2,3,2,0.5\n"
    found = epochs(read_curve(content))
    assert found["step"].tolist() == [2]
    assert found["mean_training_loss"].tolist() == [2]


def test_steps_after_the_last_epoch_belong_to_none():
    content = b"step,training_loss,validation_loss\n1,1,1\n2,9,\n"
    assert epochs(read_curve(content))["mean_training_loss"].tolist() == [1]


@pytest.mark.parametrize(
    "content", [b"step,training_loss\n1,1\n", b"step,training_loss,validation_loss\n1,1,\n"]
)
def test_without_validation_there_are_no_epochs(content):
    assert epochs(read_curve(content)).empty


def test_a_curve_without_losses_has_epochs():
    found = epochs(read_curve(b"step,validation_loss\n1,1\n"))
    assert found["mean_training_loss"].isna().all()


def test_events_give_the_curve_of_the_file():
    steps = pd.read_csv(io.BytesIO(OLDER)).to_dict("records")
    told = [
        {"total_steps": 4, "train_loss": step["training_loss"]}
        | {name: value for name, value in step.items() if value == value}
        for step in steps
    ]
    pd.testing.assert_frame_equal(curve_of_metrics(told), read_curve(OLDER))


def test_of_a_repeated_step_the_later_counts():
    told = [
        {"step": 2, "train_loss": 9},
        {"step": 1, "train_loss": 3},
        {"step": 2, "train_loss": 1},
    ]
    curve = curve_of_metrics(told)
    assert curve["step"].tolist() == [1, 2]
    assert curve["training_loss"].tolist() == [3, 1]


def test_a_job_without_events_has_no_curve():
    with pytest.raises(ResultsError, match=r"ftjob-1 \(queued\): there are no rows"):
        curve_of_metrics([{"note": 1}], source="ftjob-1 (queued)")


def test_a_metric_of_an_event_must_be_a_number():
    with pytest.raises(ResultsError, match="step 1: the cell 'x' of the column"):
        curve_of_metrics([{"step": 1, "train_loss": "x"}])


def row(model="m", rule="text", size=300, accuracy=0.5, **more):
    return {
        "model": model,
        "decision_rule": rule,
        "train_size": size,
        "accuracy": accuracy,
        "ci_low": accuracy - 0.1,
        "ci_high": accuracy + 0.1,
        "n": 100,
        **more,
    }


def test_accuracy_by_size_is_of_fine_tuned_cells_in_order():
    rows = [row(size=500), row(size=0), row("a"), row(size=300), row(rule="label_logprobs")]
    sizes = accuracy_by_size(rows)
    assert sizes.columns.tolist() == [
        "model",
        "decision_rule",
        "train_size",
        "accuracy",
        "ci_low",
        "ci_high",
    ]
    assert sizes.iloc[:, :3].to_numpy().tolist() == [
        ["a", "text", 300],
        ["m", "label_logprobs", 300],
        ["m", "text", 300],
        ["m", "text", 500],
    ]


def test_without_fine_tuned_cells_there_are_no_sizes():
    assert accuracy_by_size([row(size=0)]).empty
    assert accuracy_by_size([]).empty


def test_two_rows_of_one_cell_are_refused():
    with pytest.raises(ResultsError, match="m-ft300 under text more than once"):
        accuracy_by_size([row(), row()])


def test_rows_without_a_field_are_an_error():
    with pytest.raises(ResultsError, match="row 2 of the results has no usable 'accuracy'"):
        accuracy_by_size([row(), {"train_size": 1, "model": "m", "decision_rule": "text"}])
