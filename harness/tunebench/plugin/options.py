"""The options of pytest that tunebench adds, and the settings that follow from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from tunebench.errors import ResultsError, TunebenchError
from tunebench.settings import RecordMode, configuration

if TYPE_CHECKING:
    from tunebench.settings import Configuration

# Of the command line: what argparse has to know, and the help. Names have dashes here.
OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "record": (
        {"choices": get_args(RecordMode)},
        "none: replay cassettes, nothing leaves this machine (default); missing: ask the "
        "provider for what a cassette lacks; all: record every cassette again",
    ),
    "results": (
        {"metavar": "DIR"},
        "write results.json, results.csv, summary.md and, with pyarrow, Parquet files to "
        "DIR; where GITHUB_STEP_SUMMARY is set, the summary is appended to that file, too",
    ),
    "rivals": (
        {"action": "store_true"},
        "train the rivals (majority class, TF-IDF and embeddings with logistic regression) again, "
        "which must agree with the recorded ones; needs scikit-learn. Also --rivals=train. Without "
        "it they are shown as recorded",
    ),
    "budget": (
        {"metavar": "AMOUNT", "type": float},
        "while recording: stop before the estimated costs, by the models' prices, pass this",
    ),
    "max-texts": (
        {"metavar": "N", "type": int},
        "while recording: stop before more than N texts are sent",
    ),
    "max-minutes": (
        {"metavar": "M", "type": float},
        "while recording: send nothing more after M minutes",
    ),
    "strict-verdicts": (
        {"action": "store_true"},
        "a cell whose gate is inconclusive fails (it passes without this)",
    ),
}


# A value that says the same as the option without one.
ALIASES = {"rivals": "train"}


def add_options(parser: pytest.Parser) -> None:
    """Add the options, each also as ``--tunebench-...``.

    A short name that another plugin took before is left to that plugin.
    """
    group = parser.getgroup("tunebench", "benchmarks of models (tunebench)")
    for name, (attributes, text) in OPTIONS.items():
        names = [f"--tunebench-{name}"]
        if _is_free(parser, f"--{name}"):
            names.insert(0, f"--{name}")
        if name in ALIASES:
            # One word, so that what follows the bare option is never taken for its value.
            names += [f"{one}={ALIASES[name]}" for one in names]
        dest = f"tunebench_{name.replace('-', '_')}"
        group.addoption(*names, dest=dest, default=None, help=text, **attributes)


def _is_free(parser: pytest.Parser, option: str) -> bool:
    try:
        return option in parser.parse_known_and_unknown_args([option])[1]
    except (pytest.UsageError, SystemExit):  # it is known, and needs a value
        return False


def configured(config: pytest.Config) -> Configuration:
    """The settings of the run.

    Raises:
        UsageError: one is wrong, two do not go together, or what one needs is not installed.
    """
    given = {name.replace("-", "_"): config.getoption(f"--tunebench-{name}") for name in OPTIONS}
    try:
        chosen = configuration(config.rootpath, given, os.environ)
        if chosen.rivals:
            from tunebench.analysis import require_libraries

            require_libraries()
    except TunebenchError as error:
        raise pytest.UsageError(str(error)) from None
    if given["results"] is not None and not hasattr(config, "workerinput"):
        from tunebench.reports import refuse_unwritable

        try:
            refuse_unwritable(Path(given["results"]))
        except ResultsError as error:
            raise pytest.UsageError(str(error)) from None
    if chosen.record != "none" and config.getoption("numprocesses", None):
        raise pytest.UsageError("--record works in one process: leave out -n.")
    for name in ("budget", "max_texts", "max_minutes"):
        if given[name] is not None and chosen.record == "none":
            option = f"--{name.replace('_', '-')}"
            raise pytest.UsageError(f"{option} is for recordings: add --record, or leave it out.")
    return chosen
