"""From a file to a fine-tuned model, with the strict SDK against the server's command."""

import base64
import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import time

import openai
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from .openai_fields import unknown_fields

ROWS = [
    {"prompt": f"{i} the film was {word} ->", "completion": f" {label}"}
    for i in range(8)
    for word, label in [("good", "Positive"), ("bad", "Negative")]
]
DATA = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


@contextlib.contextmanager
def server(tiny_folders, folder):
    command = [sys.executable, "-m", "tunebench.server", "--port", "0", "--dtype", "float32"]
    command += [f"--model={name}={source}" for name, source in tiny_folders.items()]
    command += ["--deterministic", "--data-dir", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, umask=0
    ) as process:
        try:
            url = re.search(r"http://\S+", process.stdout.readline())[0]
            with openai.OpenAI(
                base_url=url, api_key="any", max_retries=0, _strict_response_validation=True
            ) as client:
                yield client
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def client(tiny_folders, folder):
    with server(tiny_folders, folder) as made:
        yield made


@pytest.fixture(scope="module")
def file(client):
    return client.files.create(file=("reviews.jsonl", DATA), purpose="fine-tune")


def ended(client, job):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        found = client.fine_tuning.jobs.retrieve(job.id)
        if found.status not in ("validating_files", "queued", "running"):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


@pytest.fixture(scope="module")
def job(client, file):
    made = client.fine_tuning.jobs.create(
        model="tiny-llama",
        training_file=file.id,
        validation_file=file.id,
        seed=5,
        suffix="reviews",
        metadata={"experiment": "films", 'a "key"': "x"},
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 3, "learning_rate_multiplier": 20}},
        },
        extra_body={
            "lora_rank": 4,
            "lora_layers": 2,
            "max_tokens": 64,
            "classification_positive_class": "Positive",
        },
    )
    assert made.status == "queued"
    assert made.fine_tuned_model is None
    found = ended(client, made)
    assert found.status == "succeeded", client.fine_tuning.jobs.list_events(made.id).data
    return found


def test_a_downloaded_file_equals_the_uploaded_one(client, file):
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == DATA
    assert (file.bytes, file.filename, file.purpose) == (len(DATA), "reviews.jsonl", "fine-tune")


def test_files_are_listed_in_pages(client, file):
    more = [
        client.files.create(file=("më/or\\e.jsonl", DATA), purpose="fine-tune") for _ in range(3)
    ]
    assert more[0].filename == "e.jsonl"
    ids = [one.id for one in client.files.list(limit=2, purpose="fine-tune", order="asc")]
    assert ids[-3:] == [one.id for one in more]
    assert [one.id for one in client.files.list(limit=1)][:3] == ids[::-1][:3]
    first = client.files.list(limit=2, order="asc")
    assert (len(first.data), first.has_more) == (2, True)
    for one in more:
        assert client.files.delete(one.id).deleted
    with pytest.raises(openai.NotFoundError, match="There is no file"):
        client.files.content(more[0].id)


def test_a_job_shows_its_parameters(job, file):
    assert job.model == "tiny-llama"
    assert (job.training_file, job.validation_file, job.seed) == (file.id, file.id, 5)
    given = job.hyperparameters.model_dump()
    assert (given["n_epochs"], given["batch_size"]) == (3, 8)
    assert (given["learning_rate_multiplier"], given["lora_rank"]) == (20, 4)
    assert re.fullmatch(r"ft:tiny-llama:tunebench:reviews:[0-9a-f]{8}", job.fine_tuned_model)
    assert job.trained_tokens > 3 * len(ROWS)
    assert job.finished_at >= job.created_at
    assert job.metadata["experiment"] == "films"


def test_only_named_fields_are_more_than_openai_has(client, file, job):
    jobs = client.fine_tuning.jobs
    answers = [client.models.list(), client.files.list(), file, jobs.list(), job]
    answers += [jobs.list_events(job.id), jobs.checkpoints.list(job.id)]
    assert not unknown_fields(answers)


def test_events_show_each_step_and_the_epoch_that_is_served(client, job):
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=3))
    assert events[0].message == "The job has successfully completed"
    assert events[-1].message.startswith("Created fine-tuning job")
    steps = [event for event in reversed(events) if event.type == "metrics"]
    assert [event.data["step"] for event in steps] == [1, 2, 3, 4, 5, 6]
    assert {"train_loss", "training_loss", "total_steps"} <= set(steps[0].data)
    [why] = [event.message for event in events if "is served" in event.message]
    losses = [event.data["validation_loss"] for event in steps if "validation_loss" in event.data]
    best = losses.index(min(losses)) + 1
    assert why.startswith(f"Epoch {best} of 3 is served: its validation loss of {min(losses):.4f}")


def test_an_event_counts_the_prompts_that_are_cut(client, job, chats):
    def said(job):
        found = [one for one in client.fine_tuning.jobs.list_events(job.id) if "may" in one.message]
        return [(one.level, one.message) for one in found]

    assert said(job) == [("info", "Prompts may have 64 tokens: none is longer.")]
    made = client.fine_tuning.jobs.create(
        model="tiny-llama",
        training_file=chats.id,
        validation_file=chats.id,
        hyperparameters={"n_epochs": 1},
        extra_body={"max_tokens": 20},
    )
    assert ended(client, made).status == "succeeded"
    assert said(made) == [
        (
            "warn",
            "Prompts may have 20 tokens: 16 of 16 training prompts and 16 of 16 validation prompts "
            "are longer and lose their beginning.",
        )
    ]


def test_only_the_user_can_read_what_the_server_and_its_workers_write(job, folder):
    paths = [folder, *folder.rglob("*")]
    assert {path.name for path in paths} >= {"log", "lock", "epoch-3", "adapter_config.json"}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # the database's files come and go
            assert not path.stat().st_mode & 0o077, path


def test_every_epoch_has_a_checkpoint_that_answers(client, job):
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id, limit=2))
    assert [one.step_number for one in checkpoints] == [6, 4, 2]
    assert all(one.metrics.full_valid_loss > 0 for one in checkpoints)
    best = min(checkpoints, key=lambda one: one.metrics.full_valid_loss)

    def ask(model):
        answer = client.completions.create(
            model=model, prompt=ROWS[0]["prompt"], max_tokens=1, temperature=0, logprobs=1
        )
        return answer.choices[0].logprobs.token_logprobs

    final = ask(job.fine_tuned_model)
    assert ask(best.fine_tuned_model_checkpoint) == final
    assert len({tuple(ask(one.fine_tuned_model_checkpoint)) for one in checkpoints}) == 3


def test_the_result_file_is_base64_csv_with_a_row_per_step(client, job):
    [name] = job.result_files
    assert client.files.retrieve(name).purpose == "fine-tune-results"
    text = base64.b64decode(client.files.content(name).read(), validate=True).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert [bool(row["validation_loss"]) for row in rows] == [False, True] * 3
    for column in ("accuracy", "precision", "recall", "auroc", "auprc", "f1.0"):
        assert 0 <= float(rows[-1][f"classification/{column}"]) <= 1
    assert float(rows[-1]["training_token_accuracy"]) >= 0
    assert int(rows[-1]["elapsed_examples"]) == 3 * len(ROWS)


def test_base_and_adapter_answer_in_turn_without_mixing(client, job, tiny_folders, folder):
    import peft
    import torch
    import transformers

    path = tiny_folders["tiny-llama"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    plain = transformers.AutoModelForCausalLM.from_pretrained(path).float()
    losses = [
        one.metrics.full_valid_loss
        for one in reversed(client.fine_tuning.jobs.checkpoints.list(job.id).data)
    ]
    best = losses.index(min(losses)) + 1
    adapted = peft.PeftModel.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(path).float(),
        folder / "jobs" / job.id / f"epoch-{best}",
    )
    # Long enough for a head that is kept: the adapter must not be given the base's.
    head = "Classify following sentence as Positive or Negative\n" * 12
    for prompt in [ROWS[0]["prompt"], head + ROWS[1]["prompt"], head + ROWS[2]["prompt"]]:
        for model, network in [("tiny-llama", plain), (job.fine_tuned_model, adapted)] * 2:
            answer = client.completions.create(
                model=model, prompt=prompt, max_tokens=1, temperature=0, logprobs=5
            )
            assert answer.model == model
            with torch.no_grad():
                logits = network(torch.tensor([tokenizer(prompt).input_ids])).logits[0, -1]
            expected = logits.log_softmax(dim=-1).topk(5)
            top = answer.choices[0].logprobs.top_logprobs[0]
            assert sorted(top.values(), reverse=True) == pytest.approx(
                expected.values.tolist(), abs=1e-3
            )


def test_jobs_are_found_by_their_metadata(client, job):
    def ids(**wanted):
        return [one.id for one in client.fine_tuning.jobs.list(**wanted)]

    assert job.id in ids()
    assert ids(metadata={"experiment": "films"}) == [job.id]
    assert ids(metadata={"experiment": "films", 'a "key"': "x"}) == [job.id]
    assert ids(metadata={"experiment": "x"}) == ids(metadata={"x": "films"}) == []


def test_a_job_that_is_created_twice_with_a_key_is_one(client, file, folder):
    body = {"model": "tiny-gemma", "training_file": file.id, "hyperparameters": {"n_epochs": 1}}
    key = {"tunebench_job": "the same"}
    first = client.fine_tuning.jobs.create(**body, metadata=key)
    copy = client.files.create(file=("other.jsonl", DATA), purpose="fine-tune")
    again = body | {"training_file": copy.id}
    assert client.fine_tuning.jobs.create(**again, metadata=key).id == first.id
    with pytest.raises(openai.ConflictError, match="the same tunebench_job"):
        client.fine_tuning.jobs.create(**body, metadata=key, suffix="other")
    assert client.fine_tuning.jobs.create(**body).id != first.id
    for one in client.fine_tuning.jobs.list().data:
        if one.status in ("queued", "running"):
            client.fine_tuning.jobs.cancel(one.id)
    third = client.fine_tuning.jobs.create(**body, metadata=key)
    assert third.id != first.id
    found = ended(client, third)
    assert client.files.delete(copy.id).deleted
    [why] = [
        event.message
        for event in client.fine_tuning.jobs.list_events(third.id)
        if "is served" in event.message
    ]
    assert why.startswith("Epoch 1 of 1 is served: the last one")

    assert found.hyperparameters.max_tokens > 1000  # all that the context takes
    name = found.fine_tuned_model
    assert client.models.retrieve(name).id == name
    [checkpoint] = client.fine_tuning.jobs.checkpoints.list(third.id).data
    epochs = folder / "jobs" / third.id
    assert len(list(epochs.glob("epoch-*"))) == 1
    assert client.models.delete(name).deleted
    served = [model.id for model in client.models.list()]
    assert not {name, checkpoint.fine_tuned_model_checkpoint} & set(served)
    assert client.fine_tuning.jobs.checkpoints.list(third.id).data == []
    assert list(epochs.glob("epoch-*")) == []
    with pytest.raises(openai.NotFoundError, match="not served here"):
        client.completions.create(model=name, prompt="a", max_tokens=1)
    fourth = client.fine_tuning.jobs.create(**body, metadata=key)
    assert fourth.id != third.id
    assert client.fine_tuning.jobs.cancel(fourth.id).status == "cancelled"


def conversation(row):
    said = [("system", "Is it good?"), ("user", row["prompt"]), ("assistant", row["completion"])]
    return {"messages": [{"role": role, "content": content.strip()} for role, content in said]}


@pytest.fixture(scope="module")
def chats(client):
    lines = "".join(json.dumps(conversation(row)) + "\n" for row in ROWS)
    return client.files.create(file=("chats.jsonl", lines.encode()), purpose="fine-tune")


def test_a_model_learns_from_messages(client, chats):
    options = {"n_epochs": 5, "learning_rate_multiplier": 20}
    made = client.fine_tuning.jobs.create(
        model="tiny-llama",
        training_file=chats.id,
        validation_file=chats.id,
        seed=5,
        method={"type": "supervised", "supervised": {"hyperparameters": options}},
        extra_body={"lora_layers": 2},
    )
    found = ended(client, made)
    assert found.status == "succeeded", client.fine_tuning.jobs.list_events(made.id).data
    *asked, _ = conversation(ROWS[0])["messages"]
    said = {
        model: client.chat.completions.create(
            model=model, messages=asked, max_tokens=16, temperature=0
        ).choices[0]
        for model in ("tiny-llama", found.fine_tuned_model)
    }
    labels = ("Positive", "Negative")
    assert said["tiny-llama"].message.content not in labels
    # A whole answer that ends where it should: the ids trained on are those that are asked.
    assert said[found.fine_tuned_model].message.content in labels
    assert said[found.fine_tuned_model].finish_reason == "stop"


def test_messages_for_a_model_without_a_template_fail_the_job(client, chats):
    made = client.fine_tuning.jobs.create(model="tiny-gemma", training_file=chats.id)
    found = ended(client, made)
    assert found.status == "failed"
    assert found.error.message.startswith("the model has no chat template; use prompts and")
