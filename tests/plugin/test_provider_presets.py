"""Presets of `[provider]` tables, and experiments that ask a provider for what it has not."""

from pathlib import Path
from typing import get_args

import pytest

from tunebench import TunebenchError
from tunebench.api import LocalProvider
from tunebench.evaluation import StartedProvider
from tunebench.presets import PRESETS, Capability, PresetName

from ..experiment_example import read_example

TABLE = 'base_url = "http://127.0.0.1:8017/v1"\nendpoint = "completions"\n'
SIZES = ("shots = [0, 1, 4]", "shots = [1]\ntrain_sizes = [300]")
PROVIDERS_WITH_ADDRESS = [name for name, preset in PRESETS.items() if preset.base_url]


def provider(folder: Path, table: str):
    return read_example(folder, (TABLE, table)).providers["local"]


def refused(folder: Path, table: str, *changes: tuple[str, str]) -> str:
    with pytest.raises(TunebenchError) as raised:
        read_example(folder, (TABLE, table), *changes)
    return str(raised.value).removeprefix(f"{folder / 'experiment.toml'}: ")


def test_every_name_that_may_be_written_is_a_preset() -> None:
    assert set(get_args(PresetName)) == set(PRESETS)


@pytest.mark.parametrize("name", PROVIDERS_WITH_ADDRESS)
def test_a_preset_alone_is_a_whole_provider(tmp_path: Path, name: str) -> None:
    read = provider(tmp_path, f'preset = "{name}"\n')
    preset = PRESETS[name]
    assert (read.base_url, read.api_key_env) == (preset.base_url, preset.api_key_env)
    assert (read.endpoint, read.max_tokens_field) == (preset.endpoint, preset.max_tokens_field)
    assert ("fine_tuning" in read.supports) == (preset.fine_tuning == "openai")
    assert set(preset.supports) <= set(read.supports) <= set(get_args(Capability))


@pytest.mark.parametrize("name", PRESETS)
def test_what_the_table_says_wins(tmp_path: Path, name: str) -> None:
    own = {
        "base_url": '"http://127.0.0.1:9/own"',
        "api_key_env": '"MINE"',
        "endpoint": '"chat"',
        "supports": '["tokenize"]',
        "max_tokens_field": '"max_tokens"',
    }
    table = f'preset = "{name}"\n' + "".join(f"{key} = {value}\n" for key, value in own.items())
    read = provider(tmp_path, table)
    assert (read.base_url, read.api_key_env) == ("http://127.0.0.1:9/own", "MINE")
    assert (read.endpoint, read.supports) == ("chat", ["tokenize"])
    assert read.max_tokens_field == "max_tokens"


def test_without_a_preset_everything_is_assumed(tmp_path: Path) -> None:
    read = provider(tmp_path, 'base_url = "http://127.0.0.1:8017/v1"\n')
    assert set(read.supports) == set(get_args(Capability))
    assert (read.endpoint, read.api_key_env) == ("completions", None)


LOCAL = 'base_url = "http://127.0.0.1:9/v1"\n'


@pytest.fixture
def starts(monkeypatch) -> list[tuple[str, list[str]]]:
    """The addresses and models that a recording starts providers with."""
    found: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(
        LocalProvider, "ensure", lambda _, url, models: found.append((url, list(models)))
    )
    return found


def started(folder: Path, name: str, table: str) -> None:
    """Ask a provider of an experiment, by its `[provider]` table."""
    changes = (TABLE, table), ("[provider.local]", f"[provider.{name}]")
    text = ('provider = "local"', f'provider = "{name}"')
    experiment = read_example(folder, *changes, text)
    StartedProvider().start(experiment, name, "smollm2-135m", print)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("local", LOCAL),
        ("local", f'preset = "local"\n{LOCAL}'),
        ("mine", f'preset = "local"\n{LOCAL}'),
    ],
)
def test_a_recording_starts_the_local_provider_by_preset_or_by_name(
    tmp_path: Path, starts, name: str, table: str
) -> None:
    started(tmp_path, name, table)
    assert starts == [("http://127.0.0.1:9/v1", ["smollm2-135m", "gemma3-270m"])]


@pytest.mark.parametrize(
    ("name", "table"), [("mine", LOCAL), ("vllm", LOCAL), ("local", 'preset = "vllm"\n')]
)
def test_a_recording_starts_no_other_provider(tmp_path: Path, starts, name, table) -> None:
    started(tmp_path, name, table)
    assert starts == []


def test_two_tables_may_ask_one_local_provider(tmp_path: Path, starts) -> None:
    more = f'[provider.chat]\npreset = "local"\nendpoint = "chat"\n{LOCAL}\n[[model]]\n'
    more += 'name = "other"\nprovider = "chat"\n'
    experiment = read_example(tmp_path, (TABLE, f"{LOCAL}\n{more}"))
    provider = StartedProvider()
    for name in ("local", "chat"):
        provider.start(experiment, name, "smollm2-135m", print)
    assert starts == [("http://127.0.0.1:9/v1", ["other", "smollm2-135m", "gemma3-270m"])] * 2


def test_an_address_of_ones_own_has_to_be_written(tmp_path: Path) -> None:
    assert refused(tmp_path, 'preset = "azure"\n') == (
        "[provider.local]: the key 'base_url' is missing; add it in the form "
        "https://NAME.openai.azure.com/openai/v1."
    )
    mine = "https://mine.openai.azure.com/openai/v1"
    assert provider(tmp_path, f'preset = "azure"\nbase_url = "{mine}"\n').base_url == mine


def test_without_a_preset_an_address_has_to_be_written(tmp_path: Path) -> None:
    said = refused(tmp_path, 'endpoint = "completions"\n')
    assert said == (
        "[provider.local]: the key 'base_url' is missing; add it, or a preset "
        f"({', '.join(PRESETS)})."
    )


def test_an_unknown_preset_is_a_sentence(tmp_path: Path) -> None:
    said = refused(tmp_path, 'preset = "olama"\n')
    assert "'ollama'" in said
    assert said.endswith(", not 'olama'.")


def test_a_preset_may_serve_another_port(tmp_path: Path) -> None:
    table = 'preset = "vllm"\nbase_url = "http://127.0.0.1:9000/v1"\n'
    assert provider(tmp_path, table).supports == ["lists", "logprobs", "tokenize"]


@pytest.mark.parametrize("name", [n for n, p in PRESETS.items() if p.fine_tuning != "openai"])
def test_training_sizes_at_a_provider_that_trains_nothing_are_refused(
    tmp_path: Path, name: str
) -> None:
    table = f'preset = "{name}"\nbase_url = "http://127.0.0.1:9/v1"\n'
    assert refused(tmp_path, table, SIZES) == (
        "[matrix] train_sizes: this needs OpenAI's fine-tuning API, which `supports` of "
        f"[provider.local] does not list ({PRESETS[name].note}); choose a provider of "
        "'smollm2-135m' that has it, name the model in [[fine_tuned]], or leave these cells out "
        "with `skip`."
    )


def test_a_provider_that_lists_what_it_can_do_lists_fine_tuning_too(tmp_path: Path) -> None:
    said = refused(tmp_path, TABLE + 'supports = ["lists"]\n', SIZES)
    assert (
        "`supports` of [provider.local] does not list; choose a provider of 'smollm2-135m'" in said
    )
    listed = (TABLE, TABLE + 'supports = ["lists", "fine_tuning"]\n')
    assert len(read_example(tmp_path, listed, SIZES).fine_tuned_cells) == 2


def test_skipped_training_sizes_need_no_fine_tuning(tmp_path: Path) -> None:
    skip = 'skip = [{ train_size = 300, reason = "not trained there" }]'
    sizes = (SIZES[0], f"{SIZES[1]}\n{skip}")
    experiment = read_example(tmp_path, (TABLE, TABLE + 'supports = ["lists"]\n'), sizes)
    assert experiment.fine_tuned_cells == ()
