"""Workers that train together have the losses and the weights of one that trains alone."""

import os

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

EXAMPLES = 21  # of which the last batch has one
EPOCHS = 3


def trained(rank, size, source, folder):
    """The process of one worker."""
    import torch

    from tunebench.server.inference.models import ModelRegistry
    from tunebench.server.tuning.examples import Example
    from tunebench.server.tuning.group import DistributedGroup, Group
    from tunebench.server.tuning.job_requests import Plan
    from tunebench.server.tuning.training import Trainer

    torch.set_num_threads(1)
    group = Group()
    if size > 1:
        place = f"file://{folder}/meeting"
        torch.distributed.init_process_group("gloo", place, rank=rank, world_size=size)
        group = DistributedGroup()
    model = ModelRegistry({"tiny": source}, torch.float32).get("tiny")
    rows = [
        Example(
            f"{i} the film was {'very ' * (i % 4)}good ->", f" {('Positive', 'Negative')[i % 2]}"
        )
        for i in range(EXAMPLES)
    ]
    plan = Plan(n_epochs=EPOCHS, batch_size=4, learning_rate_multiplier=5, seed=3, max_tokens=64)
    trainer = Trainer(
        model.network, model.tokenizer, plan, rows, rows[:5], kept_bytes=1 << 20, group=group
    )
    for _ in trainer.epochs(0, lambda row: None):
        pass
    if rank == 0:
        trainer.save(folder / f"of-{size}")
    if size > 1:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("size", [2, 3])
def test_together_as_alone(tiny_folders, tmp_path, size):
    """With 3 workers some have no row of the last batch."""
    import json

    import safetensors.torch
    import torch

    trained(0, 1, tiny_folders["tiny-llama"], tmp_path)
    context = torch.multiprocessing.start_processes(
        trained,
        (size, tiny_folders["tiny-llama"], tmp_path),
        nprocs=size,
        join=False,
        start_method="fork" if os.name == "posix" else "spawn",
    )
    while not context.join(timeout=300):
        pass
    folders = [tmp_path / f"of-{number}" for number in (1, size)]
    rows = [json.loads((folder / "rows.json").read_text()) for folder in folders]
    for one, other in zip(*rows, strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-5)
    alone, together = (
        safetensors.torch.load_file(folder / "adapter_model.safetensors") for folder in folders
    )
    assert alone.keys() == together.keys()
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, rtol=1e-3, atol=1e-4)
