"""Hints for misspelt names."""

from tunebench.errors import did_you_mean, nearest


def test_the_nearest_name_is_found_whatever_its_case_and_its_dashes():
    assert nearest("Strict-Verdict ", ["record", "strict_verdicts"]) == "strict_verdicts"
    assert nearest("zebra", ["record", "strict_verdicts"]) is None
    assert nearest("x", []) is None


def test_a_hint_names_the_nearest_name_or_else_all():
    assert did_you_mean("recrod", ["report", "record"]) == "did you mean 'record'?"
    assert did_you_mean("zebra", iter(["report", "record"])) == "known are report, record"
