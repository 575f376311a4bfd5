"""The files of a new experiment: their paths and contents, from a few choices."""

from __future__ import annotations

import json
import ntpath
import posixpath
import re
import unicodedata
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations
from pathlib import Path, PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from tunebench.errors import UsageError
from tunebench.files import files_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.cli.init.provider import ProviderChoice

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
WORKFLOW = Path(".github/workflows/tunebench.yml")
ATTRIBUTES = Path(".gitattributes")
IGNORE = Path(".gitignore")
IGNORED = ["/results/"]  # where the workflow writes results, and the documentation


@dataclass(frozen=True)
class Choices:
    """The values of a new experiment, by the names in its file.

    Attributes:
        root: the folder of ``benchmarks``.
        data: the user's file of labelled texts.
        test_data: a file of test rows; None if a share of the texts is held out.
        moved: whether rows of `data` are also test rows, and left to those.
        shuffled: whether the file is sorted by label or group, so that its rows are ordered by a
            hash.
        model: the model's id at the provider.
        left_out: what is not in the matrix for lack of rows, a sentence each.
    """

    root: Path
    data: Path
    shuffled: bool
    name: str
    text_column: str
    label_column: str
    group_column: str | None
    labels: tuple[str, ...]
    instruction: str
    test_share: float
    test_size: int
    provider: ProviderChoice
    model: str
    prices: dict[str, float | str]
    shots: list[int]
    train_sizes: list[int]
    test_data: Path | None = None
    moved: bool = False
    left_out: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """The files of labelled texts."""
        return [self.data] if self.test_data is None else [self.data, self.test_data]

    @property
    def folder(self) -> Path:
        """The experiment's own folder."""
        return self.root / "benchmarks" / self.name

    @property
    def toml(self) -> Path:
        """The experiment's file."""
        return self.folder / "experiment.toml"

    @property
    def test(self) -> Path:
        """The file of its test cases.

        Each experiment has another name for it: pytest's default import mode, ``prepend``, does not
        allow two modules of one name in folders that are not packages.
        """
        return self.folder / f"test_{re.sub(r'[^A-Za-z0-9]', '_', self.name)}.py"

    @property
    def model_name(self) -> str:
        """The model's name in test ids: the last part of its id."""
        last = PureWindowsPath(self.model).name  # knows both kinds of slashes
        return name_of(last) or "model"

    @property
    def decision_rules(self) -> list[str]:
        """Text, and log-probabilities where they are known to tell these labels apart."""
        return ["text"] if self.without_logprobs else ["text", "label_logprobs"]

    @property
    def without_logprobs(self) -> str | None:
        """Why the rule ``label_logprobs`` is left out, a sentence; None if it is not."""
        without = "No decision rule label_logprobs:"
        if not self.provider.logprobs:
            return f"{without} {self.provider.name} is not known to give log-probabilities."
        pairs = list(combinations(self.labels, 2))
        alike = [(a, b) for a, b in pairs if a.split()[0] == b.split()[0]]
        # If a label begins with another one, it is not known where the shorter one ends.
        begun = [(a, b) for a, b in pairs if a.startswith(b) or b.startswith(a)]
        if not alike or (self.provider.whole_labels and not begun):
            return None
        one, other = (begun or alike)[0]
        return (
            f"{without} the labels {one!r} and {other!r} begin alike, and their first tokens may "
            "not tell them apart."
        )

    def experiment_file(self) -> str:
        """The text of ``experiment.toml``."""
        test_dataset = self.test_data and path_from(
            self.folder.absolute(), self.test_data.absolute()
        )
        first = f"train_size = {self.train_sizes[-1]}" if self.train_sizes else ""
        return _render(
            "experiment.toml.jinja",
            name=self.name,
            dataset=path_from(self.folder.absolute(), self.data.absolute()),
            text_column=self.text_column,
            label_column=self.label_column,
            group_column=self.group_column,
            shuffled=self.shuffled,
            labels=self.labels,
            instruction=self.instruction,
            test_dataset=test_dataset,
            moved=self.moved,
            test_share=self.test_share,
            test_size=self.test_size,
            provider=self.provider,
            model={
                "name": self.model_name,
                "id": self.model,
                "parameters": self.provider.parameters,
                "prices": self.prices,
            },
            rival=self.provider.embeddings,
            rival_name=name_of(PureWindowsPath(self.provider.embeddings or "").name)
            or "embeddings",
            shots=self.shots,
            train_sizes=self.train_sizes,
            decision_rules=self.decision_rules,
            n_epochs=4,
            example=first or f"shots = {self.shots[-1]}",
        )

    def test_file(self) -> str:
        """The text of the test cases."""
        return _render("test.py.jinja", train_sizes=self.train_sizes)

    def git_attributes(self, cassettes: Path) -> list[str]:
        """Lines of ``.gitattributes`` that keep Git from changing the bytes of cassettes and data.

        Git for Windows writes other line ends by default: a cassette then looks damaged, and a
        text of several lines is another text.
        """
        lines = []
        data = [(path, "/{}") for path in self.files]
        for path, pattern in [(cassettes, "{}/**"), *data]:
            relative = path_from(self.root.absolute(), path.absolute())
            if not relative.startswith("../") and not PurePath(relative).is_absolute():
                if files_of(path) == [path]:
                    relative = re.sub(r"[\\*?\[]", r"\\\g<0>", relative)
                line = pattern.format(relative)
                # A pattern with spaces is quoted as in C, which JSON's strings are close to.
                quoted = json.dumps(line, ensure_ascii=False) if re.search(r"\s", line) else line
                lines.append(f"{quoted} -text")
        return lines


def workflow_file(installed: str | None) -> str:
    """The text of the CI workflow that replays all benchmarks of a repository.

    Args:
        installed: what it installs as tunebench; None leaves that to be filled in.
    """
    return _render("workflow.yml.jinja", installed=installed)


def name_of(text: str) -> str:
    """A name made from a text, such as a file's stem; empty if no character of it is allowed."""
    letters = "".join(
        c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
    )
    return re.sub(r"[^A-Za-z0-9._-]+", "-", letters).strip("-._")


def check_name(name: str) -> None:
    """Raise UsageError if a text cannot be an experiment's name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--name {name!r} is not allowed: a name has letters, digits, '.', '_' and '-' and "
            "begins with a letter or digit",
            hint="give another --name",
        )


def path_from(folder: PurePath, file: PurePath) -> str:
    """A file's path relative to a folder, with forward slashes; both are absolute.

    On another drive of Windows it stays absolute.
    """
    system = ntpath if isinstance(file, PureWindowsPath) else posixpath
    try:
        relative = system.relpath(file, folder)
    except ValueError:
        return file.as_posix()
    return type(file)(relative).as_posix()


def toml_value(value: Any) -> str:
    """A string or number, a list of them, or a table of bare keys, as TOML."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml_value(v)}' for key, v in value.items())} }}"
    # JSON's strings are TOML's, but for one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _render(template: str, **values: Any) -> str:
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.filters["toml"] = toml_value
    source = files("tunebench.cli").joinpath("templates", template).read_text(encoding="utf-8")
    return environment.from_string(source).render(values)


def prices_of(given: Sequence[str]) -> dict[str, float | str]:
    """The prices of ``--prices`` as a model's table; the experiment file checks their names.

    Raises:
        UsageError: one is not ``KEY=VALUE``, or its value is not a number.
    """
    prices: dict[str, float | str] = {}
    for pair in given:
        key, _, value = pair.partition("=")
        try:
            prices[key] = value if key == "currency" else float(value)
        except ValueError:
            raise UsageError(
                f"--prices {pair!r} is not a price", hint="write one as input=0.4"
            ) from None
    return prices
