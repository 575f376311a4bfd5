"""The notebook of the documentation runs from its first cell to its last."""

import json
import socket

import pandas as pd
import pytest

from .pages import DOCS

NOTEBOOK = DOCS / "how-to/notebook.ipynb"


def test_the_notebook_runs_offline_and_shows_what_it_says(monkeypatch, capsys):
    monkeypatch.chdir(NOTEBOOK.parent)  # as Jupyter starts it
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("a connection"))
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "commit it without outputs"
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert "Undecided: " in capsys.readouterr().out
    by_size, wrong = names["by_size"], names["wrong"]
    assert isinstance(by_size, pd.DataFrame)
    assert isinstance(wrong, pd.DataFrame)
    assert by_size.index.tolist() == [100, 300, 700]
    assert len(wrong) > 0
    assert wrong["place"].str.fullmatch(r"test\.csv, line \d+").all()
