"""What all commands have in common: help, version, suggestions, exit codes, output, completion."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from tunebench.cli import main
from tunebench.cli.main import tunebench

HELP = Path(__file__).parent / "help.txt"
TUNEBENCH = [sys.executable, "-c", "import sys; from tunebench.cli import main; sys.exit(main())"]


def commands(group=tunebench, *names):
    """Every command with the names that lead to it, but for `serve`, whose help is argparse's."""
    yield names, group
    context = click.Context(group)
    for name in group.list_commands(context) if isinstance(group, click.Group) else ():
        if name != "serve":
            yield from commands(group.get_command(context, name), *names, name)


def options(command):
    return [option for option in command.params if isinstance(option, click.Option)]


def test_the_help_says_what_it_does(monkeypatch, capsys):
    # To write it again: python -m tests.cli.test_cli > tests/cli/help.txt
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["completion", "-h"]) == 0
    assert capsys.readouterr().out in HELP.read_text()
    print_help()
    assert capsys.readouterr().out == HELP.read_text()


def print_help():
    for names, _ in commands():
        print("$ tunebench", *names, "--help")
        assert main([*names, "--help"]) == 0
        print()


def test_serve_has_the_servers_own_options(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert out.startswith("usage: tunebench serve [-h] [--host HOST] [--port")
    assert "--deterministic" in out
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--prot", "1"])
    assert ended.value.code == 2
    assert "there is no option '--prot'; did you mean '--port'?" in capsys.readouterr().err


def test_the_same_option_has_one_help_in_all_commands():
    found = {}
    for names, command in commands():
        for option in options(command):
            about = (option.is_flag, option.multiple, option.metavar)
            found.setdefault(option.opts[-1], {}).setdefault(about, []).append(names)
    found.pop("--model")  # a model's name in an experiment, or its id at a provider
    found.pop("--label")  # a label, or the column of the labels
    # A page, or the folder of a benchmark.
    assert {name for name, kinds in found.items() if len(kinds) > 1} == {"--output"}


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_that_of_the_project(option, capsys):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert main([option]) == 0
    assert capsys.readouterr().out == f"tunebench {project['project']['version']}\n"


@pytest.mark.parametrize("group", [[], ["cassettes"]])
def test_a_group_alone_shows_its_help(group, capsys):
    assert main(group) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(" ".join(["Usage: tunebench", *group]))
    assert "\nCommands:\n" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recrod"], "There is no command 'recrod'; did you mean 'record'?"),
        (["zzz"], "There is no command 'zzz'; known are init, record,"),
        (["cassettes", "verfy"], "There is no command 'verfy'; did you mean 'verify'?"),
        (["doctor", "--provder", "x"], "--provider"),
        (["compare"], "Missing argument 'A'"),
        (["completion", "csh"], "'csh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_wrong_usage_is_2_and_told_on_standard_error(arguments, said, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: tunebench")
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["init", "--test-size", "0"], "'--test-size': must be a whole number of at least 1"),
        (["init", "--shots", "1", "1.5"], "'--shots': must be a whole number of at least 0"),
        (["prepare-data", "--epochs", "x"], "must be a whole number of at least 1, not 'x'"),
        (["prepare-data", "--bytes-per-token", "0"], "must be a number above 0, not '0'"),
        (["prepare-data", "--price", "inf"], "must be a number of at least 0, not 'inf'"),
        (["fine-tune", "--train-sizes", "-1"], "must be a whole number of at least 1, not '-1'"),
    ],
)
def test_a_value_of_another_type_is_told_by_the_type(arguments, said, tmp_path, capsys):
    command, *rest = arguments
    assert main([command, str(tmp_path), *rest]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["init", "no-such.csv", "--test-size", "0"],
        ["prepare-data", "no-such.csv", "--epochs", "0", "--json"],
        ["report", "no-such.csv", "--output", "nowhere/x.html"],
        ["compare", ".", "no-such.csv"],
        ["fine-tune", "--train-sizes", "0", "--json", "no-such.csv"],
        ["baseline", "no-such.csv"],
        ["cassettes", "verify", "no-such.csv"],
        ["cassettes", "diff", "no-such.csv", "."],
    ],
    ids=" ".join,
)
def test_a_missing_file_is_said_first(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr() == (
        "",
        "tunebench: no-such.csv: there is no such file or folder; fix the path.\n",
    )


def test_help_imports_nothing_slow():
    code = "import sys; from tunebench.cli import main; main(['--help']); "
    code += "print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = {name.partition(".")[0] for name in done.stderr.split()}
    assert "click" in modules
    slow = {"fastapi", "numpy", "openai", "pandas", "pydantic", "pytest", "torch", "tqdm", "vcr"}
    assert modules & slow == set()
    assert "tunebench.cli.init" not in done.stderr.split()


def test_the_plugin_does_not_import_the_command_line():
    code = "import sys, tunebench, tunebench.plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"click", "tunebench.cli"} & set(done.stdout.split())


@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
def test_a_reader_that_is_gone_is_no_traceback(unbuffered):
    # Unbuffered, writing fails while the command runs; otherwise when it flushes at its end.
    reader, writer = os.pipe()
    os.close(reader)
    start = [TUNEBENCH[0], *unbuffered, *TUNEBENCH[1:], "--help"]
    done = subprocess.run(start, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.fixture
def pairs(tmp_path):
    """A file that `prepare-data` has questions about, with labels that few encodings have."""
    path = tmp_path / "pairs.csv"
    rows = (f"note {i} about things,{'👍日'[i % 2]}\n" for i in range(60))
    path.write_text(f"prompt,completion\n{''.join(rows)}", encoding="utf-8")
    return path


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_text_that_the_outputs_encoding_lacks_is_replaced(pairs, encoding):
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    columns = ["--text", "prompt", "--label", "completion"]
    command = [*TUNEBENCH, "init", str(pairs), *columns, "--output", str(pairs.parent)]
    done = subprocess.run(command, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    label = "👍" if encoding == "utf-8" else "?"
    assert f"  {label}: 30 (50.0%)" in done.stdout.decode(encoding)
    done = subprocess.run([*command, "--json", "--force"], capture_output=True, env=environment)
    assert json.loads(done.stdout.decode(encoding))["labels"] == {"👍": 30, "日": 30}


def test_ctrl_c_at_a_question_is_130(pairs, monkeypatch, capsys):
    def interrupt(_question):
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", interrupt)
    assert main(["prepare-data", str(pairs)]) == 130
    assert capsys.readouterr().err == "tunebench: interrupted.\n"
    assert list(pairs.parent.iterdir()) == [pairs]


@pytest.fixture
def complete(monkeypatch, capsys):
    """What is proposed for the last of the words, in the form of Click's script for bash."""

    def complete(*words):
        monkeypatch.setenv("_TUNEBENCH_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(["tunebench", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        assert main([]) == 0
        return capsys.readouterr().out.split()

    return complete


def test_commands_options_and_paths_are_completed(complete):
    assert complete("re") == ["plain,record", "plain,report"]
    assert complete("cassettes", "p") == ["plain,prune"]
    assert complete("completion", "b") == ["plain,bash"]
    assert complete("fine-tune", "--t") == ["plain,--train-sizes"]
    assert complete("cassettes", "prune", "--d") == ["plain,--dry-run"]
    assert complete("report", "res") == ["file,res"]
    assert complete("record", "res") == ["file,res"]


def test_the_script_makes_bash_complete(tmp_path, monkeypatch):
    command = tmp_path / "tunebench"
    command.write_text(f"#!{sys.executable}\n{TUNEBENCH[2]}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    lines = """
        eval "$(tunebench completion bash)"
        COMP_WORDS=(tunebench fine-) COMP_CWORD=1
        _tunebench_completion tunebench
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True)
    assert done.stdout == "fine-tune\n", done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_of_their_own(shell, capsys):
    assert main(["completion", shell]) == 0
    assert f"_TUNEBENCH_COMPLETE={shell}_complete" in capsys.readouterr().out


if __name__ == "__main__":
    print_help()
