import pytest

from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    result = evaluate(cell)
    assert result.accuracy >= cell.min_accuracy, result.explain()
