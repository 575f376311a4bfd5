"""``tunebench report``: results as one web page.

The page holds no text of a data set unless that is asked for, and no page is overwritten unless
that is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


def add_report(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "report",
        help="make one web page of what `pytest --results` wrote",
        description="Make one web page of what `pytest --results` wrote. The page is one file, "
        "works without a network and holds no text of the data set unless --texts is given.",
    )
    add = parser.add_argument
    add(
        "results",
        metavar="RESULTS",
        type=Path,
        help="the folder that was given to --results, or its results.json",
    )
    add("--output", metavar="FILE", type=Path, help="the page (report.html beside results.json)")
    add("--force", action="store_true", help="overwrite a page that is there")
    add(
        "--texts",
        action="store_true",
        help="put the texts into the page, from the data set on this machine, which the experiment "
        "below benchmarks/ names: such a page may not be one to pass on",
    )
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0.

    Raises:
        TunebenchError: the results or the options cannot be used.
    """
    from tunebench.reports import read_results, write_report

    path: Path = args.results
    if path.is_dir():
        path /= "results.json"
    output: Path = args.output or path.parent / "report.html"
    if output.exists() and not args.force:
        raise UsageError(
            f"{output}: the file is there already; name another with --output, or give --force to "
            "overwrite it."
        )
    document = read_results(path)
    texts = _texts(path, document) if args.texts else None
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent}: there is no such folder; make it first.")
    try:
        write_report(document, output, texts=texts)
    except ResultsError as error:
        raise UsageError(f"{path}: {error}") from error
    print(f"Wrote {output}.")
    return 0


def _texts(path: Path, document: Mapping[str, Any]) -> dict[str, str]:
    """The texts of the items, from the data sets that the experiments name.

    A table's name and columns mean something only beside its experiment, which is looked for.
    """
    from tunebench import datasets
    from tunebench.cli.experiments import found_experiments
    from tunebench.evaluation import dataset_of
    from tunebench.reports import is_of

    found = any(Path("benchmarks").rglob("experiment.toml"))
    known = found_experiments(()) if found else []
    texts: dict[str, str] = {}
    for experiment in document.get("experiments") or ():
        name = experiment.get("dataset")
        if not name:
            raise UsageError(
                f"{path}: experiment {experiment.get('name')!r} does not name its data set, so "
                "its texts cannot be found; leave --texts out."
            )
        wanted = set(experiment.get("items") or ())
        own = next((o for o in known if is_of(experiment, o) and o.task.dataset == name), None)
        data = dataset_of(own) if own else datasets.load(name)
        for frame in (data.test, data.train):
            rows = frame[frame["item"].isin(wanted)]
            texts.update(zip(rows["item"].tolist(), rows["text"].tolist(), strict=True))
        if missing := sorted(wanted - texts.keys()):
            raise UsageError(
                f"{path}: {len(missing)} items, such as {missing[0]}, are not in data set "
                f"{name!r} on this machine; leave --texts out."
            )
    return texts
