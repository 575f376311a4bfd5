"""The arithmetic on the page of a large matrix is that of the script it names."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def printed(*given: str) -> str:
    script = str(ROOT / "benchmarks" / "speed" / "plan.py")
    command = [sys.executable, script, *given]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_page_shows_what_the_script_prints() -> None:
    page = (ROOT / "docs" / "explanation" / "scale.md").read_text()
    shown = page.partition("<!-- plan -->")[2].partition("<!-- end of plan -->")[0]
    assert shown.strip() == printed().strip()


def test_other_numbers_give_other_results() -> None:
    few = printed("texts=10000", "list=10")
    assert "| requests | 90,000 |" in few
    assert "| texts | 900,000 |" in few
