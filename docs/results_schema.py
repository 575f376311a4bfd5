"""Write the JSON Schema of ``results.json``: ``python docs/results_schema.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tunebench.reports import Results

PATH = Path(__file__).parent / "reference" / "results.schema.json"


def schema() -> dict[str, Any]:
    """The schema of what is written: a reader may meet fields that it does not know."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Results.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
