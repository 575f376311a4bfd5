"""The weights of a model on disk: found, hashed, converted.

Two built-in models are quantised GGUF files. Reading one takes 18 to 50 s, most of it to rebuild
the tokenizer and to dequantise, so the result is kept in the cache as a Hugging Face folder (0.3 to
3 s to load). A third, for embeddings, is such a folder in a ZIP file.
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

from tunebench import local_models
from tunebench.errors import ConfigurationError
from tunebench.files import sha256_of, whole_files
from tunebench.local_models import MODELS, LocalModel, cache_folder

# Of the extra `local`; each has many dependencies, or one file that nothing else installs.
_LIBRARIES = (
    "fastapi", "gguf", "llguidance", "peft", "python_multipart", "torch", "transformers", "uvicorn"
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """A Hugging Face folder or a GGUF file, and its hash."""

    path: Path
    sha256: str

    @property
    def is_gguf(self) -> bool:
        """Whether the path is a GGUF file and not a folder."""
        return self.path.suffix == ".gguf"


def missing_extra() -> str | None:
    """What pip has to install before models can be served; None if nothing is missing."""
    missing = any(importlib.util.find_spec(module) is None for module in _LIBRARIES)
    return "'tunebench[local]'" if missing else None


def find(source: str) -> Weights:
    """Weights of a built-in name, a folder, a ``.gguf`` file or a Hugging Face id.

    A folder's sha256 is that of its weight files' hashes and its config.

    Raises:
        ConfigurationError: nothing is found there, or the weights of a built-in name have changed.
    """
    if source in MODELS:
        return _built_in(MODELS[source])
    path = Path(source).expanduser()
    if not path.exists():
        path = _snapshot(source)
    if path.is_dir():
        return Weights(path, _folder_sha256(path))
    if path.suffix != ".gguf":
        raise ConfigurationError(
            "the weights are neither a folder nor a .gguf file",
            where=source,
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
    digest = sha256_of(path)
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


def _built_in(model: LocalModel) -> Weights:
    path = local_models.find(model)
    if path is None:
        raise ConfigurationError(
            f"the weights of {model.name} are not on this machine",
            hint=f"run `tunebench models get {model.name}`",
        )
    found = file_sha256(path)
    if found != model.sha256:
        raise ConfigurationError(
            f"the weights of {model.name} have the sha256 {found[:16]}… instead of "
            f"{model.sha256[:16]}…",
            where=path,
            hint=f"remove that file and run `tunebench models get {model.name}`",
        )
    return Weights(_unpacked(path, found) if path.suffix == ".zip" else path, found)


def _unpacked(path: Path, sha256: str) -> Path:
    """The folder in a ZIP file, unpacked once."""
    folder = cache_folder() / "models" / sha256[:16]
    if not folder.is_dir():
        with whole_folder(folder) as unfinished, zipfile.ZipFile(path) as packed:
            packed.extractall(unfinished)
    return folder


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
            f"no weights found: this is neither one of {', '.join(MODELS)} nor a folder, and "
            f"Hugging Face did not provide it ({type(error).__name__})",
            where=source,
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
