"""The options of pytest that tunebench adds, and the settings that follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from tunebench.errors import TunebenchError
from tunebench.plugin.call import PREFIX, Call
from tunebench.settings import RecordMode, configuration, refuse_outside, refused_record

if TYPE_CHECKING:
    from collections.abc import Mapping

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


_TITLE = "benchmarks of models (tunebench); short names work unless something else has them"


def add_options(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options as ``--tunebench-...``, with short names that give way to other options."""
    group = parser.getgroup("tunebench", _TITLE)
    for name, (attributes, text) in OPTIONS.items():
        names = [f"{PREFIX}{name}"]
        if name in ALIASES:
            # One word, so that what follows the bare option is never taken for its value.
            names.append(f"{names[0]}={ALIASES[name]}")
        dest = f"tunebench_{name.replace('-', '_')}"
        group.addoption(
            *names, dest=dest, default=None, help=f"{text} (short: --{name})", **attributes
        )
    Call(parser, OPTIONS).keep(pluginmanager)


def configured(config: pytest.Config) -> Configuration:
    """The settings of the run.

    Raises:
        UsageError: one is wrong, two do not go together, or what one needs is not installed.
    """
    call = Call.of(config)
    given = {name.replace("-", "_"): config.getoption(f"{PREFIX}{name}") for name in OPTIONS}
    worker = hasattr(config, "workerinput")
    try:
        if not (worker or config.option.help):  # whose controller has done so, or nothing runs
            _refuse_files(config, call, given)
        chosen = configuration(config.rootpath, given, call.environment)
        if chosen.rivals:
            from tunebench.analysis import require_libraries

            require_libraries()
        if given["results"] is not None and not worker:
            from tunebench.reports import refuse_unwritable

            refuse_unwritable(Path(given["results"]))
    except TunebenchError as error:
        raise pytest.UsageError(str(error)) from None
    if chosen.record != "none" and config.getoption("numprocesses", None):
        raise pytest.UsageError("--record works in one process: leave out -n.")
    for name in ("budget", "max_texts", "max_minutes"):
        if given[name] is not None and chosen.record == "none":
            option = f"--{name.replace('_', '-')}"
            fix = "add --record=missing, or leave it out"
            raise pytest.UsageError(f"{option} is for recordings: {fix}.")
    return chosen


def _refuse_files(config: pytest.Config, call: Call, given: Mapping[str, Any]) -> None:
    """Refuse options of a file, as in `addopts`, that only the command line may give.

    Raises:
        ConfigurationError: there is one.
    """
    args = [str(arg) for arg in config.invocation_params.args]
    where = ", ".join([f"{config.inipath}: addopts", *(a for a in args if a.startswith("@"))])
    if given["record"] not in (None, "none", call.given(config, "record")):
        raise refused_record(where)
    if given["results"] not in (None, call.given(config, "results")):
        refuse_outside(Path(given["results"]), config.rootpath, where)
