"""What was found at a provider: a document for scripts, and a table with the fix for people."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tunebench.api import Findings
    from tunebench.experiment import Experiment

_WITHOUT = {
    "completions": 'the provider is asked with endpoint = "chat"',
    "chat": "the provider is asked for completions",
    "max_tokens": "answers may be longer, and dearer, than what is read of them",
    "max_completion_tokens": "max_tokens limits the answers",
    "lists": "each prompt is one request",
    "logprobs": "there is no decision rule label_logprobs",
    "logit_bias": "labels are looked for among the likeliest tokens",
    "tokenize": "label_token_ids or the likeliest tokens are read; a label is taken as long as its "
    "letters",
    "fine_tuning": "there are no train_sizes",
    "model listed": "a misspelt id shows when it is asked",
    "model as asked": "its answers are refused, unless `answers_as` names it",
    "same answer twice": "a recording is one of several that are possible",
    "rate-limit headers": "a refused request waits as long as the answer says, or a little",
}
_COLOURS = {"yes": "\033[32m", "no": "\033[33m"}
_COMPLAINT, _PLAIN = "\033[31m", "\033[0m"


def document_of(
    name: str, findings: Findings, table: Mapping[str, Any], complaints: Sequence[str]
) -> dict[str, Any]:
    """What was found at a provider, for scripts.

    Args:
        name: of its ``[provider]`` table.
        findings: what was found.
        table: the keys of that table, as found.
        complaints: what its experiment declares and it does not do.
    """
    found = [
        {**asdict(finding), "without": None if finding.found else _WITHOUT[finding.name]}
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


def lines_of(document: Mapping[str, Any]) -> Iterator[str]:
    """The document as lines of text, with colours where they are shown and wanted."""
    findings = document["findings"]
    titles = [_title(finding) for finding in findings]
    width = max(map(len, titles))
    yield f"{document['base_url']}, asked for {document['model']}"
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
        yield _painted(complaint, _COMPLAINT)


def complaints_of(experiment: Experiment | None, name: str, findings: Findings) -> list[str]:
    """What an experiment declares of a provider that was not found there, a sentence each."""
    if experiment is None:
        return []
    provider = experiment.providers[name]
    models = [model for model in experiment.models.values() if model.provider == name]
    at = f"{experiment.path}: [provider.{name}]"
    if not findings.found(provider.endpoint):
        return [
            f"{at} has endpoint = {provider.endpoint!r}, which it does not answer; write "
            f"{findings.endpoint!r}."
        ]
    said = "lists" if "supports" in provider.model_fields_set else "without `supports` assumes"
    complaints = [
        f"{at} {said} {capability!r}, which was not found; write `supports` as above."
        for capability in provider.supports
        if _is_needed(capability, experiment, name)
        and not findings.found(capability, provider.endpoint)
    ]
    if provider.endpoint == "chat" and not findings.found(provider.max_tokens_field, "chat"):
        complaints.append(
            f"{at} has max_tokens_field = {provider.max_tokens_field!r}, which it does not keep; "
            f"write {findings.max_tokens_field!r}."
        )
    for model in models:
        listed = findings.models is None or model.provider_id in findings.models
        if not listed and model.provider_id != findings.model:
            complaints.append(
                f"{experiment.path}: the model {model.name!r} is asked as {model.provider_id!r}, "
                f"which [provider.{name}] does not list; fix its `id`."
            )
        asked = model.provider_id == findings.model and model.answers_as is None
        if asked and not findings.found("model as asked"):
            complaints.append(
                f"{experiment.path}: the model {model.name!r} is answered under another name (see "
                "above); write that as its `id`, or as `answers_as` if it is the same model."
            )
    return complaints


def _is_needed(capability: str, experiment: Experiment, name: str) -> bool:
    """Whether anything is asked of a provider with a capability that it declares."""
    if capability == "lists":
        return experiment.providers[name].endpoint == "completions"
    if capability == "fine_tuning":
        cells = experiment.fine_tuned_cells
        return any(experiment.models[cell.model].provider == name for cell in cells)
    return True


def _title(finding: Mapping[str, Any]) -> str:
    return f"{finding['name']}, {finding['endpoint']}" if finding["endpoint"] else finding["name"]


def _painted(text: str, colour: str) -> str:
    shown = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return f"{colour}{text}{_PLAIN}" if shown and not os.environ.get("NO_COLOR") else text
