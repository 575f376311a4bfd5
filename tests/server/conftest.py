"""A server on loopback, tiny models made on the spot, and the real one for a few tests.

What needs the local extra is imported where it is used: without it each file here is skipped in
one line, and this one must still be read.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from ..weights import need_weights

SAMPLE = (
    "Classify following sentence as Positive or Negative\n#####\n"
    "the film was good and the end was bad -> Negative\n#####\nan actor, a story, a tear ->\n"
) * 4
CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@dataclass
class Served:
    url: str
    registry: Any
    worker: Any

    def client(self, **options):
        defaults = {
            "base_url": self.url,
            "api_key": "any",
            "max_retries": 0,
            "_strict_response_validation": True,
        }
        return openai.OpenAI(**{**defaults, **options})


@contextlib.contextmanager
def serving(sources, dtype="float32", *, deterministic=False, int8=False, **guards):
    import uvicorn

    from tunebench.server.http.app import create_app
    from tunebench.server.http.connections import configuration
    from tunebench.server.inference.models import ModelRegistry, choose_dtype
    from tunebench.server.inference.queue import Worker
    from tunebench.server.local_engine import LocalEngine
    from tunebench.server.tuning.fine_tuned import FineTunedModels
    from tunebench.server.tuning.job_queue import JobQueue
    from tunebench.server.tuning.storage import Storage

    registry = ModelRegistry(sources, choose_dtype(dtype), int8=int8)
    worker = Worker(batch_tokens=1024, deterministic=deterministic)
    # All servers in this process share a folder, in which no test creates a job.
    storage = Storage(Path(os.environ["TUNEBENCH_DATA_DIR"]) / "in-process")
    engine = LocalEngine(registry, worker, storage, kept_bytes=0)
    queue = JobQueue(FineTunedModels(storage, registry), engine, slots=1)
    limits = {"max_body": 1 << 20, "max_file": 1 << 20}
    app = create_app(registry, queue, **{"api_key": None, **guards}, **limits)
    config = configuration(app)
    config.port = 0
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(f"http://127.0.0.1:{port}/v1", registry, worker)
    finally:
        server.should_exit = True
        thread.join(120)
        queue.close()
        assert worker.close(120)


def make_tokenizer(*, bos):
    import tokenizers
    import transformers

    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    inner.train_from_iterator(
        [SAMPLE],
        tokenizers.trainers.BpeTrainer(
            vocab_size=360,
            special_tokens=["<bos>", "<eos>"],
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if bos:
        inner.post_processor = tokenizers.processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", 0)]
        )
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<bos>", eos_token="<eos>", pad_token="<eos>"
    )
    if not bos:
        made.chat_template = CHAT_TEMPLATE
    return made


def make_model(kind, vocabulary, **changes):
    import torch
    import transformers

    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.4,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    } | changes
    torch.manual_seed(7)
    if kind == "llama":
        config = transformers.LlamaConfig(num_hidden_layers=2, **sizes)
    else:
        config = transformers.Gemma3TextConfig(
            num_hidden_layers=3,
            head_dim=8,
            query_pre_attn_scalar=8,
            sliding_window=8,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            **sizes,
        )
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory):
    """A Llama without a first token and a Gemma with one and a window of 8 tokens."""
    folders = {}
    for kind in ("llama", "gemma"):
        folder = tmp_path_factory.mktemp("models") / kind
        tokenizer = make_tokenizer(bos=kind == "gemma")
        tokenizer.save_pretrained(folder)
        make_model(kind, len(tokenizer)).save_pretrained(folder)
        folders[f"tiny-{kind}"] = str(folder)
    return folders


@pytest.fixture(scope="session")
def served(tiny_folders):
    with serving(tiny_folders) as provider:
        yield provider


@pytest.fixture(scope="session")
def client(served):
    with served.client() as made:
        yield made


@pytest.fixture(scope="session")
def deterministic(tiny_folders):
    with serving(tiny_folders, "bfloat16", deterministic=True) as provider:
        yield provider


@pytest.fixture(scope="session")
def smollm2():
    need_weights("smollm2-135m")
    names = {"smollm2-135m": "smollm2-135m"}
    with serving(names, "bfloat16", deterministic=True) as provider:
        yield provider


@pytest.fixture(params=["tiny-llama", "tiny-gemma"])
def name(request):
    return request.param


@pytest.fixture
def oracle(name, tiny_folders):
    """The same model in plain transformers, float32."""
    return Oracle(tiny_folders[name])


class Oracle:
    def __init__(self, folder):
        import torch
        import transformers

        self.torch = torch
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder).float().eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def ids(self, text):
        return self.tokenizer(text)["input_ids"]

    def logprobs(self, ids, bias=None):
        """Shape (tokens, vocabulary): row i is what follows token i."""
        with self.torch.no_grad():
            logits = self.model(self.torch.tensor([ids])).logits[0].float()
        for token_id, value in (bias or {}).items():
            logits[:, token_id] += value
        return logits.log_softmax(dim=-1)

    def greedy(self, ids, count):
        """Without a cache, so that no cache can be wrong in the same way."""
        made = []
        while len(made) < count and made[-1:] != [1]:
            made.append(int(self.logprobs([*ids, *made])[-1].argmax()))
        return made


@pytest.fixture
def guarded(tiny_folders):
    with serving(tiny_folders, api_key="geheim") as provider:
        yield provider


@pytest.fixture
def broken(tmp_path):
    with serving({"broken": str(tmp_path)}) as provider:
        yield provider
