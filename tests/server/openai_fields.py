"""The fields of an answer that no type of the openai package declares."""

from pydantic import BaseModel

# Where an answer has more than OpenAI's; docs/how-to/local-provider.md says what.
MORE = {
    "CreateEmbeddingResponse.system_fingerprint",
    "FineTuningJob.user_provided_suffix",  # OpenAI's answers have it, the package's type does not
    "Model.weights",  # the form of the weights that prompts and new tokens are computed with
    "Hyperparameters",  # those that a job was created with in extra_body
    "Metrics",  # also under the names of OpenAI's older result files
}


def unknown_fields(value):
    """The fields that no type of the openai package declares, in any depth, except `MORE`."""
    if isinstance(value, list | tuple):
        return {path for one in value for path in unknown_fields(one)}
    if not isinstance(value, BaseModel):
        return set()
    name = type(value).__name__
    # OpenAI's lists have these three, which the package's types of a page leave out.
    listed = {"object", "first_id", "last_id"} if hasattr(value, "has_more") else set()
    more = set(value.model_extra or ()) - listed
    found = set() if name in MORE else {f"{name}.{field}" for field in more} - MORE
    return found.union(
        *(unknown_fields(getattr(value, field)) for field in type(value).model_fields)
    )
