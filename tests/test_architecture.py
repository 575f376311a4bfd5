"""The plan of the package: floors, rooms and their doors, as `.importlinter` has it."""

from pathlib import Path

from importlinter import cli

ROOT = Path(__file__).parent.parent


def test_imports_keep_to_the_plan(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = cli.lint_imports(config_filename=str(ROOT / ".importlinter"), no_cache=True)
    assert result == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out
