import contextlib
import fcntl
import functools
import hashlib
import http.server
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# An inner pytest run forgets what it was the first to import, and a second copy of these would have
# error classes of its own, which the first one's `except` does not know.
import httpcore2  # noqa: F401 isort: skip
import hypothesis  # noqa: F401 isort: skip
import openai  # noqa: F401 isort: skip
import vcr  # noqa: F401 isort: skip

from hypothesis import HealthCheck, settings

from .film_project import FilmProject
from .jobs_provider import JobsProvider
from .pets_project import Pets
from .printed import unwrapped
from .recordings import Recordings
from .results_schema import fits
from .virtual_time import VirtualTime

# Threads that spin while they wait take the processor from other processes, such as the other half
# of the suite. This has to be set before torch is imported, here and in servers that tests start.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A slow machine is not a fault in the code. Everything else comes from the profile that Hypothesis
# picks: random examples here, the same ones every time in CI.
settings.register_profile(
    "tunebench", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("tunebench")

# pytest repeats whole messages in its summary where these are set, and tunebench records nothing
# there by default: what the pytest runs inside tests print is the same everywhere without them.
for _variable in ("CI", "BUILD_NUMBER"):
    os.environ.pop(_variable, None)


@pytest.fixture(scope="session", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests, and the servers that they start, away from the user's files, jobs and key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEBENCH_DATA_DIR", str(tmp_path_factory.mktemp("server-data")))
        yield


def pytest_report_header() -> str | None:
    if importlib.util.find_spec("torch") is not None:
        return None
    return "the local provider's tests are skipped: pip install -e '.[local]' to run them"


@dataclass
class Asked:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def prompts(self) -> list[str]:
        prompt = self.fields["input" if self.path.endswith("/embeddings") else "prompt"]
        return prompt if isinstance(prompt, list) else [prompt]


@dataclass
class Said:
    """An answer: a JSON value, or bytes as they are; or the connection's end instead."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_off: bool = False


class Loopback:
    """A provider on this machine, real but for its model.

    Its completion of a prompt is `text_of` that prompt; a token is a word. A test that wants
    another answer puts its own function in `answer`.
    """

    def __init__(self) -> None:
        self.root = ""
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Said] = self.complete
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.root + "/v1"

    @staticmethod
    def text_of(prompt: str) -> str:
        return " " + hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def complete(self, asked: Asked) -> Said:
        if asked.path == "/tokenize":
            words = asked.fields["prompt"].split()
            return Said({"tokens": [int.from_bytes(word.encode()) % 50_000 for word in words]})
        prompts = asked.prompts
        if asked.path.endswith("/embeddings"):
            return self.embed(asked)
        choices = [
            {"index": i, "text": self.text_of(prompt), "finish_reason": "stop"}
            for i, prompt in enumerate(prompts)
        ]
        usage = {"prompt_tokens": 10 * len(prompts), "completion_tokens": len(prompts)}
        return Said(
            {
                "id": f"cmpl-{len(self.asked)}",
                "object": "text_completion",
                "created": 0,
                "model": asked.fields["model"],
                "choices": choices,
                "usage": usage,
                "system_fingerprint": "loopback",
            }
        )

    @staticmethod
    def embed(asked: Asked) -> Said:
        """How often each of eight letters is in a text."""
        data = [
            {
                "object": "embedding",
                "index": i,
                "embedding": [text.count(letter) / (len(text) or 1) for letter in "aeioutnd"],
            }
            for i, text in enumerate(asked.prompts)
        ]
        usage = {"prompt_tokens": 5 * len(data), "total_tokens": 5 * len(data)}
        return Said(
            {"object": "list", "model": asked.fields["model"], "data": data, "usage": usage}
        )

    def take(self, asked: Asked) -> Said:
        with self._lock:
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.answer(asked)
        finally:
            with self._lock:
                self._at_once -= 1


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body leave in one piece
    disable_nagle_algorithm = True

    def __init__(self, provider: Loopback, *args: object) -> None:
        self.provider = provider
        super().__init__(*args)

    def do_GET(self) -> None:
        self._reply(self.provider.take(Asked(self.path, self._headers(), b"")))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(self.provider.take(Asked(self.path, self._headers(), body)))

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _reply(self, said: Said) -> None:
        if said.cut_off:
            self.close_connection = True
            return
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        self.send_response(said.status)
        for name, value in {"Content-Type": "application/json", **said.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session", autouse=True)
def fast_processes() -> Iterator[None]:
    """Tests' own runs of pytest load what they name: the plugins of this machine take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        # Otherwise each process would compile the package again.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        # In the background Ctrl-C may be ignored, which the processes would inherit.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield


@pytest.fixture
def libraries() -> Iterator[dict[str, types.ModuleType]]:
    """Modules that are still there when `pytester` has forgotten what was imported meanwhile."""
    kept: dict[str, types.ModuleType] = {}
    yield kept
    sys.modules.update(kept)


@pytest.fixture
def pytester(
    libraries: dict[str, types.ModuleType],
    pytester: pytest.Pytester,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[pytest.Pytester]:
    """Forgets of an inner run the modules that tests wrote, and no others.

    It would cost each run seconds to import the same libraries, and some cannot be imported twice.
    """
    made_by_tests = str(tmp_path_factory.getbasetemp())
    run = pytester.inline_run

    def is_library(module: types.ModuleType) -> bool:
        places = [getattr(module, "__file__", None)]
        # Some of torch's modules have an attribute of any name.
        if isinstance(folders := getattr(module, "__path__", ()), Iterable):
            places += folders
        return any(places) and not any(str(place).startswith(made_by_tests) for place in places)

    class Keeper:
        def pytest_unconfigure(self) -> None:
            libraries.update((name, m) for name, m in sys.modules.items() if is_library(m))

    def inline_run(*args: Any, **options: Any) -> pytest.HookRecorder:
        done = run(*args, **options, plugins=[Keeper()])
        sys.modules.update(libraries)
        return done

    monkeypatch.setattr(pytester, "inline_run", inline_run)
    yield pytester
    Keeper().pytest_unconfigure()


@pytest.fixture
def start_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Loopback]]:
    """Start providers on this machine, as many as are called for."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with contextlib.ExitStack() as stack:

        def start() -> Loopback:
            provider = Loopback()
            handler: Callable[..., _Handler] = functools.partial(_Handler, provider)
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            provider.root = f"http://127.0.0.1:{server.server_port}"
            return provider

        yield start


@pytest.fixture
def loopback(start_loopback: Callable[[], Loopback]) -> Loopback:
    """A provider on this machine."""
    return start_loopback()


@pytest.fixture
def said() -> type[Said]:
    """What a provider's `answer` returns."""
    return Said


@pytest.fixture
def jobs(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> JobsProvider:
    """A provider that fine-tunes, in as many steps as its jobs are polled."""
    from tunebench.api import fine_tuning, job_creation

    jobs = JobsProvider(Said, loopback.complete)
    loopback.answer = jobs.answer
    clock = types.SimpleNamespace(
        sleep=lambda seconds: jobs.sleep(seconds), time=lambda: time.time() + sum(jobs.naps)
    )
    for module in (fine_tuning, job_creation):
        monkeypatch.setattr(module, "time", clock)
    return jobs


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """The time that paces requests, without the waiting."""
    from tunebench.api import pacing

    clock = VirtualTime()
    monkeypatch.setattr(pacing, "threading", types.SimpleNamespace(Condition=lambda: clock))
    monkeypatch.setitem(pacing.Pacer.__init__.__kwdefaults__, "clock", clock)
    return clock


@pytest.fixture
def film_project(
    pytester: pytest.Pytester,
    loopback: Loopback,
    jobs: JobsProvider,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FilmProject]:
    """A user's repository with prompted and fine-tuned cells, not yet recorded."""
    data = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("TFDS_DATA_DIR", str(data))
    project = FilmProject(pytester, loopback, jobs, data)
    yield project
    # Another test's data set has the same name.
    project.write_data()


@pytest.fixture(scope="session")
def recordings() -> Recordings:
    """What this process has recorded."""
    return Recordings()


@pytest.fixture
def recorded_films(film_project: FilmProject, recordings: Recordings) -> FilmProject:
    """The same, recorded, with nothing asked since."""
    recordings.record(film_project, passed=4)
    film_project.jobs.requests.clear()
    return film_project


@pytest.fixture
def pets(pytester: pytest.Pytester, loopback: Loopback) -> Pets:
    """A user's repository for small experiments, still without one."""
    return Pets(pytester, loopback)


@pytest.fixture(autouse=True)
def no_step_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inner runs leave the summary of a CI run alone."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


SharedFolder = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> SharedFolder:
    """Give a folder by its name, filled by the first process of the suite that wants it.

    Nobody may change what is in it.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def shared_folder(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = root / f"shared-{name}", root / f"shared-{name}.done"
        with (root / f"shared-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                folder.mkdir(exist_ok=True)
                make(folder)
                done.touch()
        return folder

    return shared_folder


@pytest.fixture(scope="session")
def data_dir(shared_folder: SharedFolder) -> Path:
    """The data, prepared once: pytester gives every inner run a home of its own."""
    import tunebench.datasets

    return shared_folder(
        "imdb-reviews", lambda folder: tunebench.datasets.load("imdb_reviews", data_dir=folder)
    )


@pytest.fixture(scope="session")
def imdb_replay(shared_folder: SharedFolder) -> Path:
    """What a replay of the committed experiment wrote, and what it printed in `printed.txt`."""
    root = Path(__file__).parent.parent

    def replay(folder: Path) -> None:
        options = ["-v", "-p", "no:cacheprovider", "--results", str(folder)]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "benchmarks/imdb", *options],
            cwd=root,
            env={**os.environ, "COLUMNS": "100"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        (folder / "printed.txt").write_text(done.stdout)

    return shared_folder("imdb-replay", replay)


@pytest.fixture(scope="session")
def imdb_results(imdb_replay: Path) -> dict[str, Any]:
    """The `results.json` of that replay."""
    return json.loads((imdb_replay / "results.json").read_text())


TWO_RULES = """
[task]
name = "small"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 45

[provider.standin]
base_url = "{url}"

[[model]]
name = "one"
provider = "standin"

[[model]]
name = "two"
provider = "standin"

[matrix]
shots = [0, 1]
decision_rules = ["text", "label_logprobs"]
"""


@dataclass
class TwoRules:
    """A user's repository with one experiment of two models, prompted.

    The models say Negative, and prefer Positive: of 45 reviews, the rule ``text`` is right on the
    27 that are Negative, and ``label_logprobs`` on the 18 others.
    """

    pytester: pytest.Pytester
    loopback: Loopback

    def __post_init__(self) -> None:
        self.root = self.pytester.path
        self.folder = self.root / "benchmarks" / "small"
        self.folder.mkdir(parents=True)
        self.toml = self.folder / "experiment.toml"
        self.toml.write_text(TWO_RULES.format(url=self.loopback.url))
        self.pytester.makeconftest('pytest_plugins = ["tunebench.plugin"]')
        self.loopback.answer = self._answer

    def _answer(self, asked: Asked) -> Said:
        said = self.loopback.complete(asked)
        for choice in said.body.get("choices", ()):
            choice["text"] = " Nega"
            if "logprobs" in asked.fields:
                top = {" Negative": -2.4, " Positive": -0.1}
                choice["logprobs"] = {"tokens": [" Positive"], "top_logprobs": [top]}
        return said

    def write_test(self, body: str) -> None:
        head = "import pytest\nfrom tunebench import Experiment\n"
        head += "experiment = Experiment.beside(__file__)\n"
        (self.folder / "test_small.py").write_text(head + body)

    def edit(self, old: str, new: str) -> None:
        text = self.toml.read_text()
        assert old in text
        self.toml.write_text(text.replace(old, new))

    def run(self, *args: str) -> pytest.RunResult:
        return unwrapped(self.pytester.runpytest_inprocess("benchmarks", *args))

    def results(self, folder: str = "out") -> dict[str, Any]:
        return fits(json.loads((self.root / folder / "results.json").read_text()))


@pytest.fixture
def two_rules(
    pytester: pytest.Pytester,
    loopback: Loopback,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> TwoRules:
    """A user's repository, not yet recorded and without a test."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    return TwoRules(pytester, loopback)
