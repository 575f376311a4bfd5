"""lm-eval (the Evaluation Harness): `local-completions`, `local-chat-completions`, and the server's
tokenizer in place of a local one."""

import json
import os
from pathlib import Path

from answering import ASKED, answer
from lm_eval import simple_evaluate
from lm_eval.api.registry import get_model

URL = os.environ["OPENAI_BASE_URL"]
COMPLETIONS = {
    "model": ASKED["model"],
    "base_url": URL + "/completions",
    "tokenizer_backend": "remote",
    "max_retries": 1,
}


def _evaluated(model, arguments, texts, *, choice=None, **options):
    """What the harness got for each text: an answer, or the log-probability of the choice."""
    rows = Path("rows.jsonl")
    rows.write_text("\n".join(json.dumps({"text": text, "choice": choice}) for text in texts))
    task = {
        "task": "own",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "doc_to_text": "{{text}}",
    }
    if choice is None:
        settings = {"max_gen_toks": ASKED["max_tokens"], "temperature": 0, "until": ["###"]}
        task |= {
            "output_type": "generate_until",
            "doc_to_target": "",
            "generation_kwargs": settings,
        }
        task["metric_list"] = [{"metric": "exact_match"}]
    else:
        task |= {"output_type": "loglikelihood", "doc_to_target": "{{choice}}"}
        task |= {"target_delimiter": "", "metric_list": [{"metric": "perplexity"}]}
    made = simple_evaluate(model, model_args=arguments, tasks=[task], log_samples=True, **options)
    return [sample["resps"][0][0] for sample in made["samples"]["own"]]


def completions():
    return _evaluated("local-completions", COMPLETIONS, ASKED["prompts"][:1])[0]


def lists():
    return _evaluated("local-completions", COMPLETIONS, ASKED["prompts"], batch_size=2)


def logprobs():
    prompt, choice = ASKED["prompts"][0], " good"
    [(logprob, _)] = _evaluated("local-completions", COMPLETIONS, [prompt], choice=choice)
    return {"prompt": prompt, "choice": choice, "logprob": logprob}


def chat():
    arguments = {"model": ASKED["model"], "base_url": URL + "/chat/completions", "max_retries": 1}
    return _evaluated(
        "local-chat-completions", arguments, [ASKED["question"]], apply_chat_template=True
    )[0]


def tokenizer():
    model = get_model("local-completions")(**COMPLETIONS)
    tokens = model.tok_encode(ASKED["prompts"][0])
    assert model.tokenizer.decode(tokens) == ASKED["prompts"][0]
    assert isinstance(model.eot_token_id, int)
    return tokens


answer("lm-eval", globals())
