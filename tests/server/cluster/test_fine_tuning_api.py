"""The tests of the local server's fine-tuning jobs, with a cluster behind it."""

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")
pytest.importorskip("ray", reason="needs the ray extra: pip install -e '.[local,ray]'")

from ..test_fine_tuning import (  # noqa: F401
    file,
    job,
    test_a_job_shows_its_parameters,
    test_base_and_adapter_answer_in_turn_without_mixing,
    test_every_epoch_has_a_checkpoint_that_answers,
    test_only_named_fields_are_more_than_openai_has,
)


@pytest.fixture(scope="module")
def client(served):
    with served.client() as made:
        yield made


@pytest.fixture(scope="module")
def folder(served):
    return served.folder
