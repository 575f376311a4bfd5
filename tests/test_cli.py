"""What all commands have in common: help, version, exit codes, start, completion."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tunebench.cli import main

HELP = """\
usage: tunebench [-h] [--version] COMMAND ...

Does fine-tuning beat prompting on my labelled task?

options:
  -h, --help    show this help message and exit
  --version     print the version and exit

commands:
  COMMAND
    serve       serve small open models on this machine, in the manner of
                OpenAI's API
    init        make a benchmark from a file of labelled texts
    prepare-data
                check a file of prompts and completions and write training
                files from it
    curves      show how a fine-tuning job learned, or accuracy by training
                size
    report      make one web page of what `pytest --results` wrote
    baseline    keep the current answers as the baseline of later recordings
    compare     compare two results cell by cell
    record      ask the providers for what the cassettes lack
    fine-tune   run an experiment's fine-tuning jobs without asking its cells
    cassettes   list, verify, prune, compare and upgrade cassettes
    doctor      ask a running provider what it can do
    completion  print a script that makes a shell complete commands and
                options

exit codes:
  0    done, and all is well
  1    a command found something wrong: a case failed, cassettes differ
  2    wrong usage, or something that the message says how to fix
  130  interrupted
"""
COMPLETION = """\
usage: tunebench completion [-h] {bash,zsh,tcsh}

Print a script that makes a shell complete commands, options and paths. For
bash: eval "$(tunebench completion bash)" in ~/.bashrc.

positional arguments:
  {bash,zsh,tcsh}

options:
  -h, --help       show this help message and exit
"""
CASSETTES = """\
usage: tunebench cassettes [-h] COMMAND ...

List, verify, prune, compare and upgrade the cassettes of experiments.

options:
  -h, --help  show this help message and exit

commands:
  COMMAND
    ls        show each cassette
    verify    replay each cassette and check each line
    prune     remove what no cell asks for
    diff      compare two recordings
    upgrade   turn cassettes of format 1 into the current format
"""
PRUNE = """\
usage: tunebench cassettes prune [-h] [--json] [--dry-run] [EXPERIMENT ...]

Remove what no cell asks for. Orphans go, and so do the rows that a whole
replay leaves unasked. A cassette that is damaged, incomplete or being
recorded is left alone.

positional arguments:
  EXPERIMENT  experiment files, or folders with experiment.toml in or below
              (benchmarks)

options:
  -h, --help  show this help message and exit
  --json      print one JSON object
  --dry-run   say what would be done
"""
DIFF = """\
usage: tunebench cassettes diff [-h] [--json] OLD NEW

Compare two recordings. Shows which items or requests only one has, and which
answers changed. Ends with 1 where they differ.

positional arguments:
  OLD         a cassette, or a folder of them
  NEW         a cassette, or a folder of them

options:
  -h, --help  show this help message and exit
  --json      print one JSON object
"""
PREPARE_DATA = """\
usage: tunebench prepare-data [-h] [--yes] [--dry-run] [--json]
[--encoding ENCODING] [--delimiter DELIMITER]
[--task {classification,generation,open-ended}] [--separator SEPARATOR]
[--positive-class LABEL] [--split | --no-split] [--epochs EPOCHS]
[--bytes-per-token N] [--tokens-per-second N] [--price N] FILE
"""
SERVE = """\
usage: tunebench serve [-h] [--host HOST] [--port PORT] [--api-key API_KEY]
[--model NAME[=SOURCE]]
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], HELP),
        (["completion"], COMPLETION),
        (["cassettes"], CASSETTES),
        (["cassettes", "prune"], PRUNE),
        (["cassettes", "diff"], DIFF),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_help_says_what_it_does(arguments, expected, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert (ended.value.code, capsys.readouterr().out) == (0, expected)


@pytest.mark.parametrize(("command", "usage"), [("prepare-data", PREPARE_DATA), ("serve", SERVE)])
def test_the_usage_of_the_long_ones(command, usage, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    # Versions of Python break a long usage at other places.
    assert " ".join(capsys.readouterr().out.split()).startswith(" ".join(usage.split()))


def test_the_version_is_that_of_the_project(capsys):
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tunebench {project['project']['version']}\n"


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["compare"], ["cassettes"]])
def test_wrong_usage_ends_with_2_and_says_so_on_standard_error(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert err.startswith("usage: tunebench")


def test_help_imports_nothing_slow():
    code = "import sys; from tunebench.cli import main\ntry: main(['--help'])\nfinally:\n"
    code += " print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = {name.partition(".")[0] for name in done.stderr.split()}
    assert "argparse" in modules
    slow = {"fastapi", "numpy", "openai", "pandas", "pydantic", "pytest", "shtab", "torch", "tqdm"}
    assert modules & slow == set()


@pytest.fixture
def complete(capsys, tmp_path):
    """What bash proposes for the last of the words."""
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "tunebench.bash"
    script.write_text(capsys.readouterr().out)
    subprocess.run(["bash", "-n", str(script)], check=True)

    def complete(*words):
        lines = f"""
            source '{script}'
            COMP_WORDS=(tunebench {" ".join(f"'{word}'" for word in words)})
            COMP_CWORD={len(words)}
            _shtab_tunebench
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, cwd=tmp_path)
        return done.stdout.split()

    complete.folder = tmp_path
    return complete


def test_bash_completes_commands(complete):
    assert complete("c") == ["curves", "compare", "cassettes", "completion"]
    assert complete("cassettes", "") == ["ls", "verify", "prune", "diff", "upgrade"]
    assert complete("completion", "b") == ["bash"]


def test_bash_completes_options(complete):
    assert complete("fine-tune", "--t") == ["--train-size"]
    assert complete("cassettes", "prune", "--d") == ["--dry-run"]


def test_bash_completes_paths(complete):
    (complete.folder / "results.json").touch()
    assert complete("report", "res") == ["results.json"]
    assert complete("record", "res") == ["results.json"]


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_a_script_of_their_own(shell, capsys):
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert re.search(
        {"zsh": r"^#compdef tunebench$", "tcsh": r"^complete tunebench "}[shell], out, re.M
    )
    assert "fine-tune" in out
