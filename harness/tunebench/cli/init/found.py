"""The provider of a new experiment that is a URL: it is asked what it can do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tunebench.errors import RequestError, UsageError, printable
from tunebench.presets import started_at

if TYPE_CHECKING:
    from pathlib import Path

    from tunebench.api import Findings
    from tunebench.cli.init.provider import ProviderChoice

_AS_FOUND = "as found there; `tunebench doctor` asks again"


def found_provider(
    guess: ProviderChoice, api_key_env: str | None, model: str | None, toml: Path
) -> tuple[ProviderChoice, str]:
    """The provider as it was found, and the model's id there.

    Where nothing answers, or no answer tells what there is, a guess is kept, with a note that says
    so.

    Args:
        guess: what is assumed of it.
        api_key_env: the environment variable of its key.
        model: the model's id, if it was named.
        toml: the experiment file, for that note.

    Raises:
        RecordingError: the environment variable of the key is not set.
        RequestError: the provider refuses the key, or wants a pause.
        UsageError: it has no such model, has neither kind of request, or does not answer and
            no model was named.
    """
    from tunebench.api import NoAnswerError, is_unreachable
    from tunebench.cli.doctor.command import found_at

    url = str(guess.table["base_url"])
    try:
        local_url = url if started_at(url) else None
        findings = found_at(url, api_key_env, model, chosen=True, local_url=local_url)
    except RequestError as error:
        if not is_unreachable(error):
            raise
        if model is None:
            raise UsageError(
                f"{url} does not answer ({error.problem}), so its models are not known",
                hint="name one with --model, or start the provider",
            ) from error
        return _guessed(guess, f"{url} does not answer ({error.problem})", toml), model
    except NoAnswerError as error:
        if error.missing or model is None:
            raise
        if error.likely == "chat":
            table = {**guess.table, "endpoint": "chat"}
            guess = replace(guess, table=table)
        return _guessed(guess, error.problem, toml), model
    return _found(guess, findings, api_key_env), findings.model


def _guessed(guess: ProviderChoice, why: str, toml: Path) -> ProviderChoice:
    endpoint = guess.table.get("endpoint", "completions")
    return replace(
        guess,
        comments={
            **guess.comments,
            "base_url": "no answer told what it can do: this table is a guess",
        },
        notes=(
            f"{printable(why)}, so [provider.{guess.name}] is a guess: "
            f"{endpoint}, and nothing else.",
            f"Before you record, run `tunebench doctor {toml.as_posix()}` where it answers: it "
            "prints what to write there.",
        ),
    )


def _found(guess: ProviderChoice, findings: Findings, api_key_env: str | None) -> ProviderChoice:
    from tunebench.cli.doctor.findings import table_of

    table = table_of(findings, None, api_key_env)
    endpoint, supports = findings.endpoint, table["supports"]
    candidates = findings.candidates(endpoint)
    parameters = {} if candidates is None else {"top_logprobs": candidates}
    embeddings = findings.detail("embeddings") if findings.found("embeddings") else None
    both = endpoint == "completions" and {"tokenize", "logit_bias"} <= set(supports)
    return replace(
        guess,
        table=table,
        comments={"endpoint": _AS_FOUND, "supports": _AS_FOUND},
        key_hint="",
        trains="fine_tuning" in supports,
        logprobs="logprobs" in supports,
        whole_labels=both,
        parameters=parameters,
        embeddings=embeddings,
        seconds=findings.seconds,
        notes=tuple(_notes(findings, embeddings)),
    )


def _notes(findings: Findings, embeddings: str | None) -> list[str]:
    """What was found, in a few lines."""
    endpoint = findings.endpoint
    kinds = [kind for kind in ("completions", "chat") if findings.found(kind)]
    found = findings.supports(endpoint)
    asked_for = ["logprobs", "logit_bias", "tokenize", "fine_tuning"]
    if endpoint == "completions":
        asked_for.insert(0, "lists")
    lacking = [name for name in asked_for if name not in found]
    if embeddings is None:
        lacking.append("embeddings")
    shown = [*found, *([] if embeddings is None else [f"embeddings ({embeddings})"])]
    listed = "no list of models" if findings.models is None else f"{len(findings.models)} models"
    notes = [
        f"Asked {findings.base_url} ({listed}) with {findings.model}: it answers "
        f'{" and ".join(kinds)}, so endpoint = "{endpoint}".',
        f"  Found: {', '.join(shown) or 'nothing else'}. "
        f"Not found: {', '.join(lacking) or 'nothing'}.",
    ]
    if (candidates := findings.candidates(endpoint)) is not None:
        notes.append(
            f"  It shows {candidates} candidates of a token, so top_logprobs is {candidates}."
        )
    if not findings.found("model as asked"):
        notes.append(
            f"  Its answers name the model {findings.detail('model as asked')}: they are refused "
            "unless you write that as the model's `id`, or as its `answers_as`."
        )
    if not findings.found("same answer twice"):
        notes.append("  The same request was answered differently: another recording may differ.")
    return notes
