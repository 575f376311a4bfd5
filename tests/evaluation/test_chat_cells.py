"""Chat models, as a user meets them: inner pytest runs against a provider that chats."""

import json

import pytest

from ..cassette_lines import rows
from ..film_project import FilmProject

INSTRUCTION = "Classify following sentence as Positive or Negative"


class Chatting:
    """A chat provider; what it says of a text is `says`, by the number in the text."""

    def __init__(self, project, said) -> None:
        self.project, self.said = project, said
        self.says = {}
        self.choice = {}
        self.model = None
        project.jobs.complete = self.answer

    def answer(self, asked):
        if asked.path == "/tokenize":
            return self.project.loopback.complete(asked)
        fields = asked.fields
        text = fields["messages"][-1]["content"]
        number = int(text.split("number ")[1].split(" ")[0])
        right = "Positive" if "fine" in text else "Negative"
        content = right if fields["model"].startswith("ft:") else self.says.get(number, right)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": content, "refusal": None},
            "finish_reason": "stop",
        }
        if fields.get("logprobs"):
            top = [{"token": "The", "logprob": -0.1}, {"token": "Pos", "logprob": -0.9}]
            top.append({"token": "Negative", "logprob": -1.5})
            choice["logprobs"] = {"content": [{"token": "The", "top_logprobs": top}]}
        usage = {"prompt_tokens": 30, "completion_tokens": 2}
        body = {"model": self.model or fields["model"], "usage": usage, "choices": [choice]}
        body["choices"][0] |= self.choice.get(number, {})
        return self.said(body)


@pytest.fixture
def project(pytester, loopback, jobs, said, tmp_path_factory, monkeypatch):
    data = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("TFDS_DATA_DIR", str(data))
    project = FilmProject(pytester, loopback, jobs, data)
    project.edit("retries = 0", 'retries = 0\nendpoint = "chat"')
    project.chat = Chatting(project, said)
    yield project
    # Another test's data set has the same name.
    project.write_data()


def chats(project):
    return [a.fields for a in project.loopback.asked if a.path == "/v1/chat/completions"]


def test_a_chat_is_recorded_once_and_then_replayed(project) -> None:
    project.record("--results", "recorded").assert_outcomes(passed=4)
    project.loopback.asked.clear()
    project.run("--results", "replayed").assert_outcomes(passed=4)
    project.record().assert_outcomes(passed=4)
    assert project.loopback.asked == []
    recorded, replayed = (
        (project.root / name / "results.json").read_bytes() for name in ("recorded", "replayed")
    )
    assert recorded == replayed


def test_each_text_is_a_conversation_of_its_own(project) -> None:
    project.edit("shots = [0]", "shots = [0, 2]")
    project.record("-k", "shot and not logprobs").assert_outcomes(passed=2, deselected=4)
    asked = chats(project)
    texts = project.texts[1]["text"][:10]
    assert [fields["messages"] for fields in asked[:10]] == [
        [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": text}]
        for text in texts
    ]
    for fields, text in zip(asked[10:], texts, strict=True):
        system, one, said_one, two, said_two, last = fields["messages"]
        assert [x["role"] for x in (one, said_one, two, said_two)] == ["user", "assistant"] * 2
        assert {said_one["content"], said_two["content"]} == {"Negative", "Positive"}
        for shown, label in ((one, said_one), (two, said_two)):
            assert ("fine" in shown["content"]) == (label["content"] == "Positive")
            assert shown["content"] in project.texts[0]["text"]
        assert (system["content"], last["content"]) == (INSTRUCTION, text)
    assert {tuple(sorted(fields)) for fields in asked} == {
        ("max_tokens", "messages", "model", "temperature")
    }


def test_a_fine_tuned_chat_is_asked_as_its_training_file_says(project) -> None:
    project.record("-k", "ft8").assert_outcomes(passed=2, deselected=2)
    train, valid = project.jobs.forms.values()
    records = [
        json.loads(line)["messages"]
        for form in (train, valid)
        for line in form.fields["file"].splitlines()
    ]
    assert sorted(messages[1]["content"] for messages in records) == sorted(
        project.texts[0]["text"][:8]
    )
    for *context, answer in records:
        label = "Positive" if "fine" in context[1]["content"] else "Negative"
        assert answer == {"role": "assistant", "content": label}
    trained_on = {json.dumps([{**m, "content": ""} for m in context]) for *context, _ in records}
    asked = {
        json.dumps([{**m, "content": ""} for m in fields["messages"]]) for fields in chats(project)
    }
    assert asked == trained_on
    assert {fields["messages"][0]["content"] for fields in chats(project)} == {INSTRUCTION}
    assert {fields["model"] for fields in chats(project)} == {"ft:base:ftjob-1"}


def test_how_answers_were_read_is_counted(project) -> None:
    project.chat.says = {
        0: "negative.",
        1: "This review is positive.",
        2: "I'm sorry, but I can't assist with that.",
        3: "It could be positive or negative.",
        4: "",
        5: "A film about numbers",
        6: "Positive",
    }
    project.chat.choice = {
        7: {"message": {"content": None, "refusal": "No."}},
        8: {"message": {"content": "Let me see"}, "finish_reason": "length"},
        9: {"message": {"content": ""}, "finish_reason": "content_filter"},
    }
    result = project.record("--results", "out", "-k", "0shot and not logprobs")
    (cell,) = project.results("out")
    assert cell["readings"] == {
        "refusal": 3,
        "casefolded": 1,
        "mentioned": 1,
        "several": 1,
        "empty": 1,
        "chatter": 1,
        "exact": 1,
        "cut off": 1,
    }
    assert (cell["correct"], cell["unread"]) == (2, 7)
    result.stdout.fnmatch_lines(
        ["m-0shot: 7 of 10 answers stated no label (3 refusal, 1 several, 1 empty, 1 chatter, "
         "1 cut off; chatter: other text)."]
    )  # fmt: skip


def test_thoughts_are_left_out_and_objects_are_read(project) -> None:
    project.chat.says = {
        0: "<think>Positive? No.</think>\n\nNegative",
        1: '<think>Negative?</think>```json\n{"label": "Positive", "why": "not negative"}\n```',
        2: "<think>It is Negative, but",
        3: '{"label": "Negative"} {"label": "Positive"}',
    }
    project.record("--results", "out", "-k", "0shot and not logprobs")
    (cell,) = project.results("out")
    assert cell["readings"] == {"exact": 7, "json": 1, "cut off": 1, "several": 1}
    assert cell["unread"] == 2


def test_a_missed_threshold_says_why_answers_were_not_read(project) -> None:
    project.chat.says = {0: "Well", 2: "I cannot help."}
    with project.toml.open("a") as file:
        file.write("[[threshold]]\nmin_accuracy = 1.0\n")
    result = project.record("-k", "0shot and not logprobs")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(
        ["*threshold 1.0; 2 of 10 answers stated no label (1 chatter, 1 refusal; chatter: *"]
    )


def test_the_article_reads_a_chat_as_strictly_where_told(project) -> None:
    project.edit("test_size = 10", 'test_size = 10\nreading = ["exact"]')
    project.chat.says = {0: "negative", 1: "Positive"}
    project.record("--results", "out", "-k", "0shot and not logprobs")
    assert project.results("out")[0]["readings"] == {"exact": 9, "chatter": 1}


def test_the_likelier_label_of_a_chat_is_read_from_its_candidates(project) -> None:
    project.record("--results", "out", "-k", "0shot-label_logprobs")
    (cell,) = project.results("out")
    assert (cell["accuracy"], cell["readings"]) == (0.5, {"likeliest": 10})
    (fields,) = {
        json.dumps({k: v for k, v in f.items() if k != "messages"}) for f in chats(project)
    }
    assert json.loads(fields)["top_logprobs"] == 20
    assert cell["probabilities"][0] == pytest.approx([0.35434369, 0.64565631])


def test_answers_are_stored_with_their_items_and_without_texts(project) -> None:
    project.record("-k", "0shot and not logprobs").assert_outcomes(passed=1, deselected=3)
    path = project.cassettes / "m-0shot.jsonl"
    written = path.read_text()
    items = [row["item"] for row in rows(path) if row["item"] is not None]
    assert items == list(project.texts[1]["item"][:10])
    assert not any(text in written for text in project.texts[1]["text"])
    assert INSTRUCTION not in written


def test_a_miss_names_the_item_and_what_differs(project) -> None:
    project.record("-k", "0shot and not logprobs")
    project.edit("Classify following", "Classify the following")
    result = project.run("-k", "0shot and not logprobs")
    result.stdout.fnmatch_lines(
        ["*m-0shot, item held-out/0: *nearest recorded row (held-out/0) differs in the text of the "
         "prompt (instruction, labels, examples or data changed)*"]
    )  # fmt: skip


def test_an_answer_that_quotes_a_text_is_not_recorded(project) -> None:
    project.chat.says = {3: f"You wrote: {project.texts[1]['text'][3]}"}
    result = project.record("-k", "0shot and not logprobs")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*lower [[]task[]] max_tokens if the model quotes the text.*"])
    assert project.texts[1]["text"][3] not in (project.cassettes / "m-0shot.jsonl").read_text()


def test_a_temperature_of_the_model_is_asked_with_and_told(project) -> None:
    project.edit(
        'id = "base"', 'id = "base"\nparameters = { temperature = 1, reasoning_effort = "low" }'
    )
    project.edit('"chat"', '"chat"\nmax_tokens_field = "max_completion_tokens"')
    only = ("-k", "0shot and not logprobs", "--results", "out")
    project.record(*only).assert_outcomes(passed=1, deselected=3)
    fields = chats(project)[0]
    assert (fields["temperature"], fields["reasoning_effort"]) == (1, "low")
    result = project.run(*only)
    result.stdout.fnmatch_lines(
        ["m-0shot: sent with temperature = 1, as the model's `parameters` say, and not with its "
         "decision rule's 0: the answers are drawn by chance."]
    )  # fmt: skip
    (cell,) = project.results("out")
    assert cell["overrides"] == {"temperature": 1}
    assert fields["max_completion_tokens"] == 17
    assert "max_tokens" not in fields


def test_fewer_candidates_can_be_asked_for_and_are_told(project) -> None:
    project.edit('id = "base"', 'id = "base"\nparameters = { top_logprobs = 5 }')
    result = project.record("-k", "0shot")
    result.assert_outcomes(passed=2, deselected=2)
    asked = chats(project)
    assert {fields.get("top_logprobs") for fields in asked} == {None, 5}
    assert all(("logprobs" in fields) == ("top_logprobs" in fields) for fields in asked)
    result.stdout.fnmatch_lines(["m-0shot-label_logprobs: sent with top_logprobs = 5, *20."])


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (
            "max_tokens = 50",
            "cannot set max_tokens, *to limit the tokens of an answer, set max_tokens in",
        ),
        (
            "logprobs = true, stop = ['x']",
            "cannot set logprobs, stop, because answers would then be read wrongly",
        ),
        ("temperature = true", "temperature must be a number from 0 to 100"),
        ("top_logprobs = 40", "top_logprobs must be a number from 2 to 20"),
    ],
)
def test_what_the_reading_of_an_answer_rests_on_is_not_a_models(project, parameters, said) -> None:
    project.edit('id = "base"', f'id = "base"\nparameters = {{ {parameters} }}')
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*[[][[]model[]][]] 1: parameters: {said}*"])


def test_labels_that_a_chats_reading_confuses_are_refused(project) -> None:
    project.edit('"Negative", "Positive"', '"Yes", "Yes!"')
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the labels 'Yes' and 'Yes!' are the same to the reading rule*"])
    project.edit("test_size = 10", 'test_size = 10\nreading = ["exact"]')
    assert project.run("--co").ret == pytest.ExitCode.OK


def test_a_budget_counts_the_conversations_that_are_not_recorded(project) -> None:
    project.edit('id = "base"', 'id = "base"\nprices = { input = 1000, output = 1000 }')
    only = ("-k", "0shot and not logprobs")
    result = project.record("--budget", "1", *only)
    result.stderr.fnmatch_lines(["m-0shot: 10 prompts to ask, about * USD"])
    result.assert_outcomes(passed=1, deselected=3)
    project.record("--budget", "0", *only).assert_outcomes(passed=1, deselected=3)


def test_another_models_answer_is_refused_unless_its_name_is_known(project) -> None:
    project.chat.model = "other-7b"
    project.record("-k", "0shot and not logprobs").stdout.fnmatch_lines(
        ['*the model "other-7b" answered instead; if that is the one you mean, *']
    )
    project.edit('id = "base"', 'id = "base"\nanswers_as = "other-7b"')
    project.record("--results", "out", "-k", "0shot and not logprobs").assert_outcomes(
        passed=1, deselected=3
    )
    assert project.results("out")[0]["answered_as"] == "other-7b"


def test_a_date_behind_the_models_name_is_kept_and_not_told(project) -> None:
    project.chat.model = "base-2024-07-18"
    result = project.record("--results", "out", "-k", "0shot and not logprobs")
    result.stdout.no_fnmatch_line("*the provider says that*")
    assert project.results("out")[0]["answered_as"] == "base-2024-07-18"


def test_a_chat_is_calibrated_on_conversations(project) -> None:
    project.edit(
        'decision_rules = ["text", "label_logprobs"]\n',
        'decision_rules = ["label_logprobs", "calibrated"]\n[calibration]\nrows = 8\n',
    )
    project.record("-k", "0shot", "--results", "out").assert_outcomes(passed=2, deselected=2)
    texts = [fields["messages"][1]["content"] for fields in chats(project)]
    assert texts[:10] == project.texts[1]["text"][:10]
    # Its rows are not among the 8 that the fine-tuned cells train on.
    assert len(set(texts[10:])) == 8
    assert set(texts[10:]) <= set(project.texts[0]["text"][8:])
    plain, calibrated = project.results("out")
    assert calibrated["cassette"] == plain["cassette"]
    # It says the same of each text, so that the labels' shares among the rows decide.
    ends = {text for text in texts[10:] if "fine" in text}
    assert calibrated["probabilities"][0][1] == pytest.approx(len(ends) / 8, abs=1e-2)
