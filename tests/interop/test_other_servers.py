"""What servers that others wrote do otherwise than OpenAI's."""

import pytest

from tunebench.api import Client
from tunebench.errors import RequestError

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("server", ["llama_cpp", "transformers_serve"])
def test_neither_takes_a_list_of_prompts(server: str, request: pytest.FixtureRequest) -> None:
    with (
        Client(request.getfixturevalue(server).url, "none") as client,
        pytest.raises(RequestError, match=r"the provider answered (500|400)"),
    ):
        client.complete("smollm2-135m", ["a dull film ->", "a fine film ->"], {"max_tokens": 1})


def test_llama_cpp_biases_what_it_says_and_not_the_probabilities_it_gives(llama_cpp) -> None:
    ask = {"max_tokens": 1, "temperature": 0, "logprobs": 2}
    with Client(llama_cpp.url, "none", prompts_per_request=1) as client:
        (free,) = client.complete("smollm2-135m", ["A dull film ->"], ask)
        (bound,) = client.complete(
            "smollm2-135m", ["A dull film ->"], {**ask, "logit_bias": {"20085": 100}}
        )
    (free_answer,), (bound_answer,) = free.answers, bound.answers
    assert bound_answer.text == " Positive" != free_answer.text
    likeliest = dict(free_answer.top_logprobs)
    assert {token: bound_answer.top_logprobs[token] for token in likeliest} == pytest.approx(
        likeliest, abs=0.05
    )


def test_transformers_serve_keeps_the_stop_in_the_text_and_gives_no_log_probabilities(
    transformers_serve,
) -> None:
    ask = {"max_tokens": 12, "temperature": 0, "stop": [" 7"]}
    with Client(transformers_serve.url, "none", prompts_per_request=1) as client:
        with pytest.raises(RequestError, match="holds no candidates of the first token"):
            client.complete("smollm2-135m", ["1, 2, 3, 4,"], ask | {"logprobs": 2})
        (reply,) = client.complete("smollm2-135m", ["1, 2, 3, 4,"], ask)
    (answer,) = reply.answers
    assert answer.finish_reason == "stop"
    assert answer.text.endswith(" 7")
