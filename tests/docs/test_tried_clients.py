"""The results of the clients that were tried, from which a table of the documentation is made."""

import json

from ..interop.clients.environments import CLIENTS, FEATURES
from .pages import DOCS


def test_the_noted_results_are_those_of_the_clients_and_features_that_are_tried():
    noted = json.loads((DOCS.parent / "tests/interop/clients/results.json").read_text())
    assert [row["client"] for row in noted] == [client.name for client in CLIENTS]
    for row, client in zip(noted, CLIENTS, strict=True):
        assert list(row["features"]) == list(FEATURES.values())
        tried = {text for text, outcome in row["features"].items() if outcome != "—"}
        assert tried == {FEATURES[feature] for feature in client.features}
