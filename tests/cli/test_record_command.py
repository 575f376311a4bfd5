"""``tunebench record``: pytest with ``--record``, in a process of its own as a user has it."""

import os
import signal
import subprocess
import sys
import time

import pytest

TUNEBENCH = [
    sys.executable,
    "-c",
    "import sys; from tunebench.cli import main; sys.exit(main())",
]
TEST = """
@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    assert evaluate(cell).accuracy >= cell.min_accuracy
"""


@pytest.fixture
def record(two_rules):
    """Run the command in the user's repository."""
    two_rules.write_test(TEST)
    two_rules.edit("shots = [0, 1]", "shots = [0]")

    def run(*options, folder=two_rules.root):
        command = [*TUNEBENCH, "record", *options]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)

    run.project = two_rules
    run.cassettes = two_rules.root / "cassettes" / "small"
    return run


def asked(record):
    count = len([a for a in record.project.loopback.asked if a.path.endswith("/completions")])
    record.project.loopback.asked.clear()
    return count


def test_what_is_missing_is_recorded_and_then_nothing_is_asked(record):
    done = record("-k", "one", "--results", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in record.cassettes.iterdir()) == [
        "items.jsonl",
        "one-0shot-label_logprobs.jsonl",
        "one-0shot.jsonl",
    ]
    assert len(record.project.results()["cells"]) == 2
    assert asked(record) == 6
    assert record().returncode == 0
    assert asked(record) == 6  # of the other model alone
    assert record("benchmarks/small/experiment.toml").returncode == 0
    assert asked(record) == 0


def test_in_an_experiments_own_folder_its_cells_are_run(record):
    done = record("-k", "one", "--", "-p", "tunebench.plugin", folder=record.project.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert asked(record) == 6
    assert (record.cassettes / "one-0shot.jsonl").exists()


def test_it_records_where_the_repository_has_options_of_these_names(record):
    with (record.project.root / "conftest.py").open("a") as file:
        file.write("\n\ndef pytest_addoption(parser):\n")
        for name in ("record", "results", "budget"):
            file.write(f"    parser.addoption('--{name}', dest='own_{name}')\n")
    done = record("-k", "one-0shot and not logprobs", "--results", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(record.project.results()["cells"]) == 1
    assert asked(record) == 3


def test_all_records_anew(record):
    record("-k", "one-0shot and not logprobs")
    record.project.loopback.asked.clear()
    assert record("--all", "-k", "one-0shot and not logprobs").returncode == 0
    assert asked(record) == 3


def test_what_follows_two_dashes_goes_to_pytest(record):
    done = record("benchmarks/small", "--", "--co", "-q", "-k", "two and not logprobs")
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if "::" in line] == [
        "benchmarks/small/test_small.py::test_accuracy[[]two-0shot]".replace("[[]", "[")
    ]
    assert record.project.loopback.asked == []


def test_a_failed_case_is_1(record):
    with record.project.toml.open("a") as file:
        file.write("[[threshold]]\nmin_accuracy = 0.99\n")
    assert record("-k", "one-0shot and not logprobs").returncode == 1


def test_a_passed_budget_is_1(record):
    record.project.edit(
        '[[model]]\nname = "one"', '[[model]]\nprices = { input = 1e6, output = 1e6 }\nname = "one"'
    )
    done = record("--budget", "1", "-k", "one-0shot and not logprobs")
    assert done.returncode == 1
    assert "the budget of 1 USD would be passed" in done.stdout
    assert asked(record) == 0


@pytest.mark.parametrize(
    "options",
    [
        ["nowhere"],
        ["--budget", "much"],
        ["--max-texts", "some"],
        ["--max-minutes", "-1"],
        ["-k", "no such case"],
        ["--", "--no-such-option"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(record, options):
    assert record(*options).returncode == 2
    assert record.project.loopback.asked == []


def test_a_broken_experiment_is_1_as_other_cells_are_recorded_and_a_broken_test_is_2(record):
    record.project.edit("test_size = 45", "test_size = 0")
    assert record().returncode == 1
    record.project.edit("test_size = 0", "test_size = 45")
    record.project.write_test("import no_such_module\n")
    assert record().returncode == 2


def test_ctrl_c_is_130_and_what_was_answered_is_kept(record):
    provider = record.project.loopback
    before = provider.answer

    def slow(request):
        if len(provider.asked) > 3:
            time.sleep(0.5)
        return before(request)

    provider.answer = slow
    command = [*TUNEBENCH, "record"]
    with subprocess.Popen(command, cwd=record.project.root, stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 300
        while len(provider.asked) < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 130
    provider.answer = before
    asked(record)
    assert record().returncode == 0
    assert 0 < asked(record) < 12
