"""Limits of an experiment file, as a user meets them."""

import pytest

CELLS = """
@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    assert evaluate(cell).accuracy >= 0
"""


def test_a_declared_limit_holds_for_all_cells_of_a_recording_and_not_for_replays(
    two_rules, clock
) -> None:
    limits = 'requests_per_minute = 600\nbase_url = "'
    two_rules.edit('base_url = "', limits)
    two_rules.write_test(CELLS)
    two_rules.run("--record=missing").assert_outcomes(passed=8)
    asked = len(two_rules.loopback.asked)
    assert clock.now == pytest.approx(23 * 60 / 600)  # eight cells of 45 texts, 20 a request
    two_rules.edit(limits, limits.replace("= 600", "= 1"))
    two_rules.run().assert_outcomes(passed=8)
    two_rules.run("--record=missing").assert_outcomes(passed=8)
    assert len(two_rules.loopback.asked) == asked
    assert clock.now == pytest.approx(23 * 60 / 600)


def test_a_long_wait_is_told_while_recording(two_rules, said, clock) -> None:
    answer = two_rules.loopback.answer
    refusals = iter([said({}, 429, {"retry-after": "32"})])

    def refuse_once(asked):
        refusal = next(refusals, None) if asked.path.endswith("/completions") else None
        return refusal or answer(asked)

    two_rules.loopback.answer = refuse_once
    two_rules.write_test(CELLS)
    stderr = two_rules.run("--record=missing", "-k", "one-0shot and not logprobs").stderr.str()
    assert "one-0shot: the provider asks to wait 32 s" in stderr
