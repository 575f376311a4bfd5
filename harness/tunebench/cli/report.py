"""``tunebench report``: results as one web page.

The page holds no text of a data set unless that is requested, and no file is overwritten unless
that is; the page of the same results is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import (
    PATH,
    ExistingPath,
    print_lines,
    read_experiments,
    refuse_existing,
)
from tunebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@click.argument("results", type=ExistingPath(), is_eager=True)
@click.option(
    "--output",
    metavar="FILE",
    type=PATH,
    help="The page, or its folder (report.html beside the results)",
)
@click.option("--force", is_flag=True, help="Overwrite files that exist")
@click.option(
    "--texts",
    is_flag=True,
    help="Put the texts into the page, from the data set on this machine that the experiment below "
    "benchmarks/ names: check whether such a page may be shared",
)
def report(results: Path, output: Path | None, force: bool, texts: bool) -> None:
    """Make one web page of what `pytest --results` wrote.

    RESULTS is the folder that was given to --results, or its results.json. The page is one file,
    works without a network and holds no text of the data set unless --texts is given.
    """
    from tunebench.files import whole_files
    from tunebench.reports import read_results, report_bytes, typed_results

    path = results / "results.json" if results.is_dir() else results
    output = output or path.parent
    if output.is_dir():
        output /= "report.html"
    document = read_results(path)
    typed = typed_results(document, path)
    found = _texts(path, document) if texts else None
    page, without_texts = (report_bytes(typed, texts=given) for given in (found, None))
    if not (output.is_file() and output.read_bytes() in (page, without_texts)):
        refuse_existing([output], force, "--output", path)
    with whole_files([output], overwrite=True) as (file,):
        file.write(page)
    print_lines([f"Wrote {output}."])


def _texts(path: Path, document: Mapping[str, Any]) -> dict[str, str]:
    """The texts of the items, from the data sets that the experiments name.

    A table's name and columns mean something only beside its experiment, which is looked for.
    """
    from tunebench import datasets
    from tunebench.evaluation import dataset_of
    from tunebench.reports import is_of

    found = any(Path("benchmarks").rglob("experiment.toml"))
    known = read_experiments(()) if found else []
    texts: dict[str, str] = {}
    for experiment in document.get("experiments") or ():
        name = experiment.get("dataset")
        if not name:
            raise UsageError(
                f"experiment {experiment.get('name')!r} does not name its data set, so its texts "
                "cannot be found",
                where=path,
                hint="leave --texts out",
            )
        wanted = set(experiment.get("items") or ())
        own = next((o for o in known if is_of(experiment, o) and o.task.dataset == name), None)
        data = dataset_of(own) if own else datasets.load(name)
        for frame in (data.test, data.train):
            rows = frame[frame["item"].isin(wanted)]
            texts.update(zip(rows["item"].tolist(), rows["text"].tolist(), strict=True))
        if missing := sorted(wanted - texts.keys()):
            raise UsageError(
                f"{len(missing)} items, such as {missing[0]}, are not in data set {name!r} on this "
                "machine",
                where=path,
                hint="leave --texts out",
            )
    return texts
