"""Results that a test wrote, compared with the committed JSON Schema."""

import json
from functools import cache
from pathlib import Path
from typing import Any

try:
    import jsonschema
except ImportError:  # tests/reports/test_schema.py fails then
    jsonschema = None

ROOT = Path(__file__).parent.parent
PATH = ROOT / "docs" / "reference" / "results.schema.json"


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(json.loads(PATH.read_text(encoding="utf-8")))


def fits(results: dict[str, Any]) -> dict[str, Any]:
    """The results, after they were found to fit the schema."""
    error = next(_validator().iter_errors(results), None) if jsonschema else None
    assert error is None, f"{error.json_path}: {error.message}"
    return results
