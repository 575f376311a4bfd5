"""Labels that the reading rules cannot find or tell apart."""

import pytest

from tunebench.errors import ExperimentError
from tunebench.formatting.reading import check_readable

from .read_answers import ALL


@pytest.mark.parametrize(
    ("labels", "rules", "sentence"),
    [
        (("Yes", "yes"), ALL, "the labels 'Yes' and 'yes' are the same to the reading rule "
         "'casefolded'; rename one, or take that rule out of `reading`."),
        (("Yes", "Yes!"), ALL, "the labels 'Yes' and 'Yes!' are the same to the reading rule "
         "'casefolded'; rename one, or take that rule out of `reading`."),
        (("YES", "yes"), ("mentioned",), "the labels 'YES' and 'yes' are the same to the reading "
         "rule 'mentioned'; rename one, or take that rule out of `reading`."),
        (("Yes", "yes"), ("json",), "the labels 'Yes' and 'yes' are the same to the reading rule "
         "'json'; rename one, or take that rule out of `reading`."),
        (("１", "1"), ("mentioned",), "the labels '１' and '1' are the same to the reading rule "
         "'mentioned'; rename one, or take that rule out of `reading`."),
        (("<think>", "b"), ("exact",), "the label '<think>' holds a mark with which a model's "
         "thoughts begin or end, and those are not read; rename it."),
        (("?", "!"), ALL, "nothing is left of the label '?' without marks and punctuation, so the "
         "reading rule 'casefolded' cannot find it; rename it, or take that rule out of "
         "`reading`."),
    ],
)  # fmt: skip
def test_labels_that_a_rule_cannot_tell_apart_are_refused(labels, rules, sentence) -> None:
    with pytest.raises(ExperimentError) as raised:
        check_readable(labels, rules)
    assert str(raised.value) == sentence


def test_labels_are_checked_for_the_rules_in_use_only() -> None:
    check_readable(("Yes", "yes", "?"), ("exact",))
    check_readable(("Yes", "Yes!"), ("exact", "mentioned"))
