"""The experiment file that tests change in places."""

from pathlib import Path

from tunebench import Experiment

EXAMPLE = """\
[task]
name = "imdb"
dataset = "imdb_reviews"            # or "tfds:<name>", or a path to .csv/.jsonl/.parquet
labels = ["Negative", "Positive"]   # order = label ids 0, 1
instruction = "Classify following sentence as Positive or Negative"
test_size = 100

[provider.local]
base_url = "http://127.0.0.1:8017/v1"
endpoint = "completions"

[[model]]
name = "smollm2-135m"
provider = "local"

[[model]]
name = "gemma3-270m"
provider = "local"

[matrix]
shots = [0, 1, 4]

[[threshold]]
model = "smollm2-135m"
shots = 1
min_accuracy = 0.55
"""

RULES = 'decision_rules = ["text", "label_logprobs"]\n'


def read_example(folder: Path, *changes: tuple[str, str], end: str = "") -> Experiment:
    """Read the example after replacing parts of it and adding to its end."""
    text = EXAMPLE
    for old, new in changes:
        assert text.count(old) >= 1
        text = text.replace(old, new)
    path = folder / "experiment.toml"
    path.write_text(text + end, encoding="utf-8")
    return Experiment.read(path)
