"""Whatever a provider says of a job, and whatever stands in a result file."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebench.errors import ResultsError
from tunebench.statistics import read_curve

from .curve_jobs import JOB, curves

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(value=JSON, field=st.sampled_from([*JOB, "method"]), source=st.sampled_from(["job", "file"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_provider_says_of_a_job_is_shown_or_told_in_a_sentence(
    provider, capsys, value, field, source
):
    """The curve as it is, from the file or, where that is not named any more, from the events."""
    told = JOB | {field: value}
    if source == "job" and field == "method":
        told = JOB | {"method": {"type": "supervised", "supervised": value}}
    provider.jobs["/v1/fine_tuning/jobs/ftjob-7"] = told
    code = curves("ftjob-7", "--base-url", provider.url, "--json")
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    if code == 0:
        assert len(json.loads(out, parse_constant=pytest.fail)["rows"]) == 4
    else:
        assert (code, out) == (2, "")
        assert err.startswith("tunebench: ")


CELLS = st.sampled_from(["", "1", "0.5", "inf", "-inf", "nan", "1e999", "-1e999", "1_0", "x", "-0"])


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
@settings(max_examples=80)
def test_a_curve_that_is_read_holds_no_infinity(rows):
    lines = [f"{i},{a},{b},{c}" for i, (a, b, c) in enumerate(rows)]
    content = "step,train_loss,elapsed_tokens,other\n" + "\n".join(lines)
    try:
        curve = read_curve(content.encode())
    except ResultsError:
        assert any(cell in ("x", "1_0") for row in rows for cell in row)
        return
    numbers = curve.select_dtypes("number").to_numpy(float)
    assert not np.isinf(numbers).any()
    for name, places in curve.attrs["not_finite"].items():
        assert curve[name].iloc[places].isna().all()
