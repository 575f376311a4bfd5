"""A recording at a provider whose answers cannot be used: a failed case, and what to do."""

import pytest

CASE = """
@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    evaluate(cell)
"""
ONE = ("--record=missing", "-k", "one-0shot and not logprobs")
PROMPTS = "prompts 1-20 of 45: "


@pytest.fixture
def project(two_rules):
    two_rules.edit('base_url = "', 'retries = 0\nsupports = ["lists"]\nbase_url = "')
    two_rules.write_test(CASE)
    return two_rules


def said_of(project) -> str:
    """The sentence of the one failed case, from its item range on."""
    result = project.run(*ONE)
    result.assert_outcomes(failed=1, deselected=7)
    (line,) = {line for line in result.outlines if line.startswith("one-0shot: model")}
    return line[line.index("prompts ") :]


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"<title>Sign in</title>", "the answer is a web page, 'Sign in'; check that the "
         "address {url} is the API root, and that no proxy wants a login."),
        (200, b'{"choices": [{"te', "the answer is cut off after 17 bytes; ask again, *"),
        (200, {"choices": []}, "20 prompts were asked and 0 choices came back; *'lists' out*"),
        (404, {"detail": "Not Found"}, "*(Not Found); *check that the address {url} is the "
         "API root."),
        (500, {"error": {"message": "out of memory"}}, "*500 (out of memory); see the provider's "
         "log, or run the same command again later."),
    ],
)  # fmt: skip
def test_a_bad_answer_is_named_by_cell_and_prompts(project, said, status, body, sentence) -> None:
    project.loopback.answer = lambda _: said(body, status)
    pattern = PROMPTS + sentence.format(url=project.loopback.url)
    pytest.LineMatcher([said_of(project)]).fnmatch_lines([pattern.replace("[", "[[]")])
    assert len(project.loopback.asked) == 1


def test_another_model_stops_the_recording_until_it_is_known(project) -> None:
    answer = project.loopback.answer

    def renamed(asked):
        said = answer(asked)
        said.body["model"] = "whatever-is-loaded"
        return said

    project.loopback.answer = renamed
    assert said_of(project) == (
        PROMPTS + 'the model "whatever-is-loaded" answered instead; if that is the one you mean, '
        "write its name as the model's `id`, or as `answers_as` if it is only another name of it, "
        "and record again."
    )
    assert len(project.loopback.asked) == 1
    project.edit('name = "one"', 'name = "one"\nanswers_as = "whatever-is-loaded"')
    project.run(*ONE).assert_outcomes(passed=1, deselected=7)
    project.run(*ONE[1:]).assert_outcomes(passed=1, deselected=7)  # by replay
