"""Mutation testing: changes the code in one place at a time and shows what no test noticed.

`python tests/mutants.py` makes as many changes as `mutants.toml` says, by chance with a fixed seed;
arguments are the modules to take instead of all. It works on a copy of this repository and ends
with 1 if a change went unnoticed.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
CONFIG = """
[cosmic-ray]
module-path = {module}
timeout = {seconds}
excluded-modules = []
test-command = {command}
distributor.name = "local"
"""


def copy_of_repository(folder: Path) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, done.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where the annotations are, from line and column to line and column.

    They are never evaluated, so that no test can notice a change in one.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            one = getattr(node, name, None)
            if one is not None:
                found.append(((one.lineno, one.col_offset), (one.end_lineno, one.end_col_offset)))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", choices=[[], *SETTINGS["tests"]])
    parser.add_argument("--count", type=int, default=SETTINGS["count"])
    parser.add_argument("--seed", type=int, default=SETTINGS["seed"])
    args = parser.parse_args()
    modules = args.modules or list(SETTINGS["tests"])

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "repository")
        copy_of_repository(copy)
        # The examples of Hypothesis are the same every time, as in CI.
        environment = {**os.environ, "PYTHONPATH": str(copy / "harness"), "CI": "1"}

        def cosmic_ray(*arguments: str) -> None:
            command = [sys.executable, "-m", "cosmic_ray.cli", *arguments]
            subprocess.run(command, cwd=copy, env=environment, check=True)

        for number, module in enumerate(modules):
            pytest = f"{sys.executable} -m pytest -x -q -p no:cacheprovider"
            config = CONFIG.format(
                module=json.dumps(module),
                seconds=SETTINGS["seconds"],
                command=json.dumps(f"{pytest} {SETTINGS['tests'][module]}"),
            )
            (copy / f"{number}.toml").write_text(config, encoding="utf-8")
            cosmic_ray("init", f"{number}.toml", f"{number}.sqlite")

        changes = []
        for number, module in enumerate(modules):
            unseen = annotations((copy / module).read_text(encoding="utf-8"))
            with use_db(str(copy / f"{number}.sqlite")) as session:
                for item in session.work_items:
                    [change] = item.mutations
                    if any(start <= change.start_pos < end for start, end in unseen):
                        continue
                    what = (number, change.operator_name, change.occurrence, change.start_pos)
                    changes.append((*what, repr(change.operator_args), item.job_id))
        # The identifiers differ from run to run, so they come last.
        drawn = random.Random(args.seed).sample(sorted(changes), args.count)
        chosen = {change[-1] for change in drawn}
        survived = 0
        for number, module in enumerate(modules):
            with use_db(str(copy / f"{number}.sqlite")) as session:
                for item in list(session.work_items):
                    if item.job_id not in chosen:
                        skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED)
                        session.set_result(item.job_id, skipped)
            cosmic_ray("baseline", f"{number}.toml")
            cosmic_ray("exec", f"{number}.toml", f"{number}.sqlite")
            with use_db(str(copy / f"{number}.sqlite")) as session:
                outcomes = [
                    (result.test_outcome, result.diff)
                    for _, result in session.completed_work_items
                    if result.worker_outcome != WorkerOutcome.SKIPPED
                ]
            unnoticed = [diff for outcome, diff in outcomes if outcome == TestOutcome.SURVIVED]
            survived += len(unnoticed)
            print(f"{module}: {len(outcomes) - len(unnoticed)} of {len(outcomes)} noticed")
            print(*unnoticed, sep="\n", flush=True)
    return survived > 0


if __name__ == "__main__":
    sys.exit(main())
