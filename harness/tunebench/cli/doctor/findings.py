"""The findings of ``tunebench doctor``: a document for scripts, lines and complaints for people."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tunebench.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tunebench.api import Findings
    from tunebench.experiment import Experiment, Provider

_WITHOUT = {
    "completions": 'tunebench uses endpoint = "chat"',
    "chat": "tunebench uses completions",
    "max_tokens": "answers may be longer, and more expensive, than what is read of them",
    "max_completion_tokens": "max_tokens limits the answers",
    "lists": "each prompt is one request",
    "logprobs": "there are no decision rules label_logprobs and calibrated",
    "logit_bias": "labels are searched among the likeliest tokens",
    "tokenize": "label_token_ids or the likeliest tokens are read; the length of a label is "
    "estimated from its letters",
    "embeddings": "there is no rival of embeddings here",
    "fine_tuning": "train_sizes need models that exist, in [[fine_tuned]]",
    "model listed": "a misspelt id is found by the first request",
    "model as asked": "its answers are errors, unless `answers_as` names it",
    "same answer twice": "another recording may differ",
    "rate-limit headers": "a refused request is repeated when the answer says, or soon",
}
_COLOURS = {"yes": "\033[32m", "no": "\033[33m"}
_COMPLAINT, _PLAIN = "\033[31m", "\033[0m"


def document_of(
    name: str,
    findings: Findings,
    table: Mapping[str, Any],
    complaints: Sequence[str],
    experiment: Experiment | None = None,
) -> dict[str, Any]:
    """The findings at a provider as JSON."""
    without = _WITHOUT | _with_pins(experiment, name)
    found = [
        {**asdict(finding), "without": None if finding.found else without[finding.name]}
        for finding in findings.all
    ]
    return {
        "provider": name,
        "base_url": findings.base_url,
        "model": findings.model,
        "models": findings.models,
        "findings": found,
        "table": dict(table),
        "complaints": list(complaints),
    }


def _with_pins(experiment: Experiment | None, name: str) -> dict[str, str]:
    """What is done without fine-tuning where the models of all fine-tuned cells exist already."""
    tuned = experiment.fine_tuned_cells if experiment else ()
    cells = [cell for cell in tuned if cell.experiment.models[cell.model].provider == name]
    if not cells or any(cell.has_job for cell in cells):
        return {}
    named = ", ".join(dict.fromkeys(str(cell.pin.id) for cell in cells if cell.pin))
    return {"fine_tuning": f"fine-tuned cells ask the models of [[fine_tuned]]: {named}"}


def lines_of(document: Mapping[str, Any]) -> Iterator[str]:
    """The document as lines of text, with colours on a terminal."""
    findings = document["findings"]
    titles = [_title(finding) for finding in findings]
    width = max(map(len, titles))
    yield printable(f"{document['base_url']}, model {document['model']}")
    yield ""
    yield f"{'capability':{width}}  found"
    for title, finding in zip(titles, findings, strict=True):
        answer = "yes" if finding["found"] else "no"
        note = finding["detail"] if finding["found"] else f"so {finding['without']}"
        shown = f"{_painted(answer, _COLOURS[answer])}{' ' * (5 - len(answer))}"
        yield f"{title:{width}}  {shown}  {note}".rstrip()
    yield ""
    for title, finding in zip(titles, findings, strict=True):
        if not finding["found"] and finding["detail"]:
            yield f"- {title}: {finding['detail']}"
    yield ""
    yield f"[provider.{document['provider']}]"
    for key, value in document["table"].items():
        yield f"{key} = {json.dumps(value)}"
    yield ""
    for complaint in document["complaints"]:
        yield _painted(printable(complaint), _COMPLAINT)


def complaints_of(experiment: Experiment | None, name: str, findings: Findings) -> list[str]:
    """A sentence for each capability that an experiment declares and its provider does not have."""
    if experiment is None:
        return []
    return [f"{experiment.path}: {found}." for found in _complaints(experiment, name, findings)]


def _complaints(experiment: Experiment, name: str, findings: Findings) -> Iterator[str]:
    provider, at = experiment.providers[name], f"[provider.{name}]"
    if not findings.found(provider.endpoint):
        yield (
            f"{at} has endpoint = {provider.endpoint!r}, which does not answer; write "
            f"{findings.endpoint!r}"
        )
        return
    lists = "lists" if "supports" in provider.model_fields_set else "without `supports` assumes"
    for capability in provider.supports:
        needed = _is_needed(capability, experiment, name)
        if needed and not findings.found(capability, provider.endpoint):
            yield f"{at} {lists} {capability!r}, which was not found; write `supports` as above"
    if provider.endpoint == "chat" and not findings.found(provider.max_tokens_field, "chat"):
        yield (
            f"{at} has max_tokens_field = {provider.max_tokens_field!r}, which has no effect; "
            f"write {findings.max_tokens_field!r}"
        )
    for model in experiment.models.values():
        if model.provider != name:
            continue
        same = model.provider_id == findings.model
        if not same and findings.models is not None and model.provider_id not in findings.models:
            yield (
                f"the model {model.name!r} has the id {model.provider_id!r}, which {at} does not "
                "list; fix its `id`"
            )
        if same and model.answers_as is None and not findings.found("model as asked"):
            yield (
                f"the model {model.name!r} is answered under another name (see above); write that "
                "as its `id`, or as `answers_as` if it is the same model"
            )


def _is_needed(capability: str, experiment: Experiment, name: str) -> bool:
    """Whether an experiment uses a capability that it declares."""
    if capability == "lists":
        return experiment.providers[name].endpoint == "completions"
    if capability == "fine_tuning":
        cells = experiment.jobs.values()
        return any(experiment.models[cell.model].provider == name for cell in cells)
    return True


def table_of(
    findings: Findings, declared: Provider | None, api_key_env: str | None
) -> dict[str, Any]:
    """The keys of the ``[provider]`` table that fits the findings."""
    endpoint = declared.endpoint if declared else findings.endpoint
    if not findings.found(endpoint):
        endpoint = findings.endpoint
    table: dict[str, Any] = {"base_url": findings.base_url, "endpoint": endpoint}
    if api_key_env is not None:
        table["api_key_env"] = api_key_env
    table["supports"] = findings.supports(endpoint)
    if endpoint == "chat":
        table["max_tokens_field"] = findings.max_tokens_field
    return table


def _title(finding: Mapping[str, Any]) -> str:
    return f"{finding['name']}, {finding['endpoint']}" if finding["endpoint"] else finding["name"]


def _painted(text: str, colour: str) -> str:
    shown = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return f"{colour}{text}{_PLAIN}" if shown and not os.environ.get("NO_COLOR") else text
