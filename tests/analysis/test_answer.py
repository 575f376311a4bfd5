"""The answer of an experiment, from rows made for it."""

import pytest

from tunebench.analysis.answer import answer_of, answers_of, unanswered
from tunebench.analysis.forecast import data_needs_of

from .made_rows import about, cell, rival

# A rival keeps the sentence on its absence away.
WEAK = [rival(52, size=300)]


def answer(*cells, rivals=WEAK, **more):
    found = answer_of(about(cells[0].n, **more), cells, rivals)
    assert found is not None
    return found


def mixed(right: int, n: int = 100, by: int = 7) -> list[bool]:
    """So many right answers, spread over the texts: `by` and `n` have no common factor."""
    first = {place * by % n for place in range(right)}
    return [place in first for place in range(n)]


def test_a_clear_gain_over_every_option_says_fine_tune():
    found = answer(cell(60), cell(90, size=300))
    assert (found.verdict, found.badge) == ("fine-tune", "Fine-tune")
    assert found.sentence == (
        "Fine-tune: m fine-tuned on 300 rows gets 0.900 and beats each of the 3 options without "
        "fine-tuning. The strongest of them, m with no examples, gets 0.600: +30 points (95 % "
        "interval +21 to +39)."
    )
    assert (found.chosen, found.rival) == ("m fine-tuned on 300 rows", "m with no examples")
    assert found.p < 0.001
    assert found.statistics == ("Largest p of 3 (McNemar mid-p) < 0.001; 100 texts, 30 differ.")


def test_one_rival_that_is_not_shown_to_be_beaten_leaves_it_undecided():
    found = answer(cell(60), cell(90, size=300), rivals=[rival(86, size=500)])
    assert found.verdict == "undecided"
    assert found.rival == "tf-idf on 500 rows"
    assert found.sentence.startswith(
        "Undecided: m fine-tuned on 300 rows gets 0.900; the strongest rival, tf-idf on 500 rows, "
        "gets 0.860: +4 points"
    )


def test_a_rival_without_predictions_and_a_majority_class_are_no_options():
    none = rival(99, size=300).model_copy(update={"predictions": None})
    constant = rival(99, size=300, model="majority class")
    found = answer(cell(60), cell(90, size=300), rivals=[none, constant])
    assert [option.kind for option in found.options] == ["fine-tuned", "prompt", "constant"]
    assert (
        "No classical rival was compared: recording with scikit-learn adds them." in found.against
    )


def test_a_clear_loss_says_do_not_and_names_the_cheapest_that_is_enough():
    prompts = (
        cell(mixed(90), shots=4, cost_per_1000=5.0),
        cell(mixed(89), shots=1, cost_per_1000=2.0),
    )
    found = answer(*prompts, cell(40, size=300), cell(45, size=500))
    assert (found.verdict, found.badge) == ("do not fine-tune", "Do not fine-tune")
    assert (found.chosen, found.rival) == ("m with 1 example", "m fine-tuned on 500 rows")
    assert found.difference == pytest.approx(0.44)
    assert found.sentence.endswith(
        "It is the cheapest option that is not shown to be worse than the best, m with 4 examples "
        "(0.900)."
    )
    assert "Bonferroni of 4: < 0.001" in found.statistics


def test_one_fine_tuned_option_that_may_be_better_leaves_it_undecided():
    found = answer(cell(80), cell(40, size=300), cell(mixed(82), size=500))
    assert found.verdict == "undecided"


def test_the_best_of_many_prompts_has_to_be_clearly_better():
    """One of 20 equal prompts is above by chance: that alone speaks against no model."""
    one = answer(cell(61), cell(54, size=300))
    assert one.verdict == "do not fine-tune"
    assert one.p == pytest.approx(3 * 2**-7)
    others = [cell(mixed(50, by=by), shots=by) for by in range(3, 60, 2) if by % 5]
    assert answer(cell(61), *others, cell(54, size=300)).verdict == "undecided"


def test_noise_is_undecided_and_says_how_many_texts_settle_it_and_what_these_show():
    found = answer(cell(80), cell(mixed(86), size=300))
    assert found.verdict == "undecided"
    assert f"About {found.texts_needed:,} texts would settle it; these 100 show" in found.sentence
    assert 0.1 < found.detectable < 0.3
    equal = answer(cell(80), cell(80, size=300))
    assert equal.texts_needed is None
    assert "No number of texts would show a difference that is not there" in equal.sentence


def test_one_text_decides_nothing():
    found = answer(cell(0, n=1), cell(1, size=300, n=1), rivals=())
    assert found.verdict == "undecided"
    assert found.sentence.endswith("these 1 show no difference.")


def test_the_smallest_size_that_larger_ones_do_not_beat_is_recommended():
    found = answer(cell(60), cell(90, size=300), cell(93, size=2000))
    assert found.chosen == "m fine-tuned on 300 rows"
    assert found.sentence.endswith("More rows are not shown to help: 2,000 get 0.930.")
    larger = answer(cell(50), cell(75, size=300), cell(95, size=2000))
    assert larger.chosen == "m fine-tuned on 2,000 rows"
    assert "More rows" not in larger.sentence


def test_more_fine_tuned_options_need_a_smaller_p():
    right = [[i < 85 or i % 3 == size % 3 for i in range(100)] for size in (1, 2, 3)]
    cells = [cell(one, size=size) for size, one in enumerate(right, 1)]
    prompt = cell(85)
    alone, together = answer(prompt, cells[0]), answer(prompt, *cells)
    assert alone.verdict == "fine-tune"
    assert together.verdict == "undecided"
    assert together.p > alone.p
    assert "too little after the correction for 3 fine-tuned options" in together.sentence


def test_equal_predictions_count_once():
    tuned = cell(mixed(71), size=300)
    again = cell(mixed(71), size=300, rule="label_logprobs")
    one, both = answer(cell(mixed(60)), tuned), answer(cell(mixed(60)), tuned, again)
    assert one.p == both.p
    assert len(both.options) == len(one.options) + 1


def seeds(*rights, size=300):
    return [cell(right, size=size, seed=seed) for seed, right in enumerate(rights)]


def test_seeds_are_runs_of_one_option():
    found = answer(cell(60), *seeds(mixed(90), mixed(92, by=9), mixed(88, by=11)))
    tuned = found.options[0]
    assert tuned.cells == ["m-ft300-seed0", "m-ft300-seed1", "m-ft300-seed2"]
    assert tuned.runs == [0.9, 0.92, 0.88]
    assert tuned.accuracy == pytest.approx(0.9)
    assert found.verdict == "fine-tune"
    assert "gets 0.900 (mean of 3 trainings, 0.880 to 0.920)" in found.sentence
    assert found.statistics == (
        "Largest p of 3 (t test, df 96) < 0.001; 100 texts, 54 differ; 3 trainings."
    )
    assert not any("training" in sentence for sentence in found.against)


def test_trainings_that_differ_decide_less_than_one_that_was_lucky():
    lucky = answer(cell(60), cell(mixed(85), size=300))
    assert lucky.verdict == "fine-tune"
    assert "One training, one wording were tried" not in lucky.against
    assert any(sentence.startswith("One training") for sentence in lucky.against)
    honest = answer(cell(60), *seeds(mixed(85), mixed(50, by=9), mixed(98, by=11)))
    assert honest.options[0].accuracy == pytest.approx(0.7767, abs=1e-4)
    assert honest.verdict == "undecided"


def test_texts_in_groups_count_as_groups():
    n, groups = 100, [number // 5 for number in range(100)]
    prompt, tuned = (
        cell([True] * 50 + [False] * 50),
        cell([True] * 70 + [False] * 30, size=300),
    )
    alone, grouped = answer(prompt, tuned), answer(prompt, tuned, groups=groups)
    assert alone.verdict == "fine-tune"
    assert grouped.verdict == "undecided"
    assert f"{n} texts in 20 groups" in grouped.statistics
    assert not any("groups" in sentence for sentence in grouped.against)
    few = answer(prompt, tuned, groups=[number // 10 for number in range(100)])
    assert any(sentence.startswith("The texts come in 10 groups") for sentence in few.against)


def test_a_gain_has_to_be_above_the_smallest_that_counts():
    cells = cell(mixed(60)), cell(mixed(75), size=300)
    assert answer(*cells).verdict == "fine-tune"
    found = answer(*cells, smallest_gain=0.12)
    assert found.verdict == "undecided"
    assert "where a gain above 12 points counts" in found.sentence
    too_little = answer(*cells, smallest_gain=0.4)
    assert too_little.verdict == "do not fine-tune"
    assert "which excludes that fine-tuning gains 40 points" in too_little.sentence
    assert (
        answer(cell(20), cell(95, size=300), smallest_gain=0.12, rivals=()).verdict == "fine-tune"
    )


def test_a_small_gain_that_does_not_count_is_not_worth_it():
    cells = cell(mixed(900, 1000), n=1000), cell(mixed(905, 1000), size=300, n=1000)
    found = answer_of(about(1000, smallest_gain=0.03), cells)
    assert found is not None
    assert found.verdict == "do not fine-tune"
    assert found.chosen == "m with no examples"
    assert found.ci_low > -0.03


PROMPTS_ONLY = cell(mixed(60)), cell(mixed(90), shots=4)


def test_without_training_sizes_it_says_what_to_use():
    found = answer(*PROMPTS_ONLY, cell(mixed(70), model="other"), rivals=())
    assert (found.verdict, found.badge) == ("use", "Use m")
    assert found.sentence.startswith(
        "Use m: m with 4 examples gets 0.900 and beats each of the 3 others. The strongest, other "
        "with no examples, gets 0.700: +20 points"
    )
    assert not any("training" in sentence or "rival" in sentence for sentence in found.against)


def test_two_equal_prompts_are_undecided_and_the_cheapest_is_named():
    dear = cell(mixed(90), shots=4, prompt_tokens=900, completion_tokens=1)
    cheap = cell(mixed(88), shots=1, prompt_tokens=300, completion_tokens=1)
    found = answer(dear, cheap, rivals=())
    assert found.verdict == "undecided"
    assert found.sentence.endswith(
        "The cheapest option that is not shown to be worse: m with 1 example."
    )


def test_one_option_alone_and_half_an_experiment_have_no_answer():
    assert answer_of(about(), [cell(60)]) is None
    assert answer_of(about(), []) is None
    ids = ["m-0shot", "m-1shot", "m-ft300"]
    whole = about(train_sizes=[300], cells=ids)
    prompts = [cell(60), cell(70, shots=1)]
    assert answer_of(whole, prompts, WEAK) is None
    assert unanswered(whole, prompts) == (
        "No answer: it needs the fine-tuned cells, too; 2 of 3 cells have a result."
    )
    assert unanswered(whole, [cell(90, size=300)]) == ""
    assert answer_of(whole, [cell(90, size=300)], WEAK) is None
    assert unanswered(about(), prompts) == ""


def test_options_with_equal_predictions_are_not_compared():
    same = cell(mixed(60)), cell(mixed(60), rule="label_logprobs")
    found = answer(*same, rivals=())
    assert found.rival == "always answering no"
    assert len(found.options) == 3
    alike = [number % 2 == 0 for number in range(100)]
    assert answer_of(about(), [cell(alike), cell(alike, shots=1)]) is None


def test_missing_cells_are_named_first():
    ids = ["m-0shot", "m-1shot", "m-4shot", "m-8shot", "m-16shot", "m-ft300"]
    found = answer(cell(60), cell(90, size=300), cells=ids)
    assert found.missing == ids[1:5]
    assert found.against[0] == ("4 of 6 cells are missing: m-1shot, m-4shot, m-8shot and 1 more.")
    assert "beats each of the 3 options without fine-tuning that were run" in found.sentence
    one = answer(cell(60), cell(90, size=300), cells=["m-0shot", "m-1shot", "m-ft300"])
    assert one.against[0] == "1 of 3 cells is missing: m-1shot."


def test_what_speaks_against_it_is_four_sentences_at_most_the_most_important_first():
    found = answer(
        cell(50),
        cell(52, shots=1),
        cell(60, size=300),
        rivals=[rival(58, size=300), rival(57, size=500)],
        cells=["m-0shot", "m-1shot", "m-2shot", "m-ft300"],
        local_models=["m"],
        groups=[number // 10 for number in range(100)],
    )
    assert [sentence.split()[0] for sentence in found.against] == ["1", "Not", "No", "The"]


def test_prompts_that_beat_no_constant_are_weak_rivals():
    found = answer(cell(52), cell(90, size=300))
    assert (
        "No prompt is shown to beat always answering no (0.500): the prompts are weak rivals."
        in found.against
    )
    assert not any("weak" in sentence for sentence in answer(cell(75), cell(95, size=300)).against)


def test_what_was_tried_once_is_said():
    def luck(*cells):
        found = [one for one in answer(*cells).against if "luck" in one]
        return found[0] if found else ""

    tuned = cell(90, size=300)
    assert luck(cell(60, shots=1), tuned) == (
        "One training, one draw of examples and one wording were tried: their luck is not measured."
    )
    wordings = [cell(60, instruction=name) for name in ("plain", "terse")]
    assert luck(*wordings, tuned) == "One training was tried: its luck is not measured."
    draws = [cell(60, shots=1, example_draw=draw) for draw in (0, 1)]
    assert luck(*draws, *seeds(90, 91)) == "One wording was tried: its luck is not measured."


def test_few_texts_that_differ_and_models_of_this_machine_are_said():
    found = answer(cell(75), cell(95, size=300), local_models=["m"])
    assert "Only 20 of 100 texts tell the two apart." in found.against
    assert (
        found.against[-1]
        == "Every model ran on this machine; a larger one may need no fine-tuning."
    )
    hosted = answer(cell(75), cell(95, size=300, model="hosted"), local_models=["m"])
    assert not any("machine" in sentence for sentence in hosted.against)


def test_options_are_named_in_words_and_no_two_alike():
    cells = [
        cell(60), cell(61, shots=1), cell(62, shots=4, instruction="terse", example_draw=1),
        cell(63, rule="label_logprobs"), cell(90, size=2000),
    ]  # fmt: skip
    names = [option.name for option in answer(*cells).options]
    assert names == [
        "m fine-tuned on 2,000 rows",
        "m with no examples, read by the likeliest label",
        "m with 4 examples, wording terse, draw 1",
        "m with 1 example",
        "m with no examples",
        "tf-idf on 300 rows",
        "always answering no",
    ]


def test_the_price_of_a_point_is_said_where_prices_are_known():
    prompt = cell(60, cost_per_1000=1.0, currency="EUR")
    tuned = cell(80, size=300, cost_per_1000=3.0, training_cost=12.5, currency="EUR")
    found = answer(prompt, tuned)
    assert found.sentence.endswith(
        "A point of accuracy over m with no examples costs 0.1 EUR for 1,000 answers, after 12.5 "
        "EUR for the training."
    )
    cheap = cell(80, size=300, cost_per_1000=0.25, training_cost=12.5, currency="EUR")
    assert answer(prompt, cheap).sentence.endswith(
        "1,000 answers cost 0.75 EUR less than m with no examples's, after 12.5 EUR for the "
        "training."
    )
    other = cell(80, size=300, cost_per_1000=3.0, training_cost=12.5, currency="USD")
    assert "USD" not in answer(prompt, other).sentence


def test_each_experiment_has_its_own_answer():
    abouts = [about(), about(name="f")]
    cells = [cell(60), cell(90, size=300)]
    others = [one.model_copy(update={"experiment": "f"}) for one in cells]
    found = answers_of([*abouts, about(name="g")], [*cells, *others], [])
    assert [one.experiment for one in found] == ["e", "f"]


def test_two_sizes_forecast_nothing_and_falling_errors_do():
    [need] = data_needs_of([cell(60, size=100), cell(70, size=200)])
    assert "too few points: 2" in need.sentence
    sizes = {100: 1000, 200: 1500, 400: 1750, 800: 1875}
    [need] = data_needs_of([cell(right, size=size, n=2000) for size, right in sizes.items()])
    assert need.next_size == 1600
    assert need.low < need.expected_accuracy == pytest.approx(1 - 125 / 4000, abs=0.005)
