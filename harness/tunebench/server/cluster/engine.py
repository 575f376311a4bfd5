"""The engine of a Ray cluster."""

import hashlib
import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import ray
from fastapi import APIRouter
from ray import serve

from tunebench.errors import ConfigurationError
from tunebench.server.cluster.answers import Answers
from tunebench.server.cluster.connection import Shared, connect, counted, room_for
from tunebench.server.cluster.replica import Replica, ReplicaSettings
from tunebench.server.cluster.runs import RayRun, too_small
from tunebench.server.cluster.vllm import START_SECONDS, VllmReplica, check_models, check_nodes
from tunebench.server.cluster.workers import RunSettings
from tunebench.server.engine import JobProcess
from tunebench.server.http.model_routes import model_routes
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning.fine_tuned import FineTunedModels
from tunebench.server.tuning.run import work_of

if TYPE_CHECKING:
    from tunebench.server.inference.queue import Worker

_log = logging.getLogger("tunebench.server")

# The replica's own queue refuses what is too much, as on one machine.
_CALLS_OF_A_REPLICA = 4096
_START_SECONDS = 300


@dataclass(frozen=True)
class ClusterOptions:
    """The options of ``--engine ray``."""

    address: str
    storage: str
    replicas: int
    workers: int
    training_device: str = "cpu"
    inference: str = "torch"


class RayEngine:
    """Computes on the nodes of a Ray cluster, which this process belongs to."""

    def __init__(
        self,
        models: FineTunedModels,
        options: ClusterOptions,
        settings: ReplicaSettings,
        *,
        kept_bytes: int,
    ) -> None:
        """Connect, and start the replicas.

        Raises:
            ConfigurationError: the cluster cannot be used.
        """
        self._models = models
        self._kept_bytes = kept_bytes
        self._vllm = options.inference == "vllm"
        if self._vllm:
            check_models(settings.sources)
        storage = Shared(options.storage)
        self._runs = RunSettings(
            storage, options.workers, settings.threads, options.training_device
        )
        for warning in connect(options.address, storage, settings.sources):
            _log.warning("%s", warning)
        if self._vllm:
            check_nodes(options.replicas)
        self._taken = {"CPU": options.replicas * settings.threads}
        if self._vllm:
            self._taken["GPU"] = options.replicas
        # The same name after a restart, so that replicas of a server that was killed are replaced.
        place = f"{socket.gethostname()}:{models.storage.folder}"
        self._name = f"tunebench-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
        self._answers = Answers(self._name, self._deploy(options.replicas, settings), models)

    def routers(self) -> Sequence[APIRouter]:
        """The routes, which send the requests to replicas."""
        # The functions are those of a local server; none of them runs here, so none needs a worker.
        local = model_routes(self._models.registry, cast("Worker", None))
        return [self._answers.router(local)]

    @property
    def loaded(self) -> None:
        """Only the replicas know, each for itself."""

    def check_job(self) -> None:
        """Refuse a job that needs more than the whole cluster has."""
        if problem := too_small(self._runs, self._taken):
            raise ApiError(400, problem, code="too_few_resources")

    def start_job(self, name: str) -> JobProcess:
        """Start a run of Ray Train."""
        folder = self._models.storage.job_folder(name)
        folder.mkdir(mode=0o700, exist_ok=True)
        work = work_of(self._models.storage, name, self._kept_bytes)
        return RayRun(self._models.storage, name, work, self._runs)

    def close(self, timeout: float) -> bool:  # noqa: ARG002
        """Remove the replicas, and leave the cluster."""
        serve.delete(self._name, _blocking=False)
        ray.shutdown()
        return True

    def _deploy(self, replicas: int, settings: ReplicaSettings) -> object:
        have = int(ray.cluster_resources().get("CPU", 0))
        if (need := self._taken["CPU"]) > have:
            raise ConfigurationError(
                f"--replicas {replicas} with --threads {settings.threads} needs {need} "
                f"cores, and the cluster has {have}",
                hint="give fewer --replicas or --threads, or add nodes",
            )
        each = {kind: number // replicas for kind, number in self._taken.items()}
        if (room := room_for(each)) < replicas:
            asked = " and ".join(counted(number, kind) for kind, number in each.items())
            raise ConfigurationError(
                f"each of {replicas} replicas needs {asked} of one node, and the nodes have room "
                f"for {room}",
                hint="give fewer --replicas or --threads, or add larger nodes",
            )
        resources = {"num_cpus": settings.threads, "num_gpus": each.get("GPU", 0)}
        deployment = serve.deployment(VllmReplica if self._vllm else Replica).options(
            num_replicas=replicas,
            max_ongoing_requests=_CALLS_OF_A_REPLICA,
            ray_actor_options=resources,
            graceful_shutdown_timeout_s=3,
            health_check_period_s=2,
        )
        # What Serve writes about its own queues and settings says nothing to who runs a server.
        for name in ("ray", "ray.serve"):
            logging.getLogger(name).setLevel(logging.ERROR)
        serve.start(proxy_location="Disabled", logging_config={"log_level": "WARNING"})
        target = serve.RunTarget(deployment.bind(settings), name=self._name, route_prefix=None)
        [handle] = serve.run_many([target], wait_for_applications_running=False)
        deadline = time.monotonic() + (START_SECONDS if self._vllm else _START_SECONDS)
        while (state := serve.status().applications[self._name]).status != "RUNNING":
            failed = state.status in ("DEPLOY_FAILED", "UNHEALTHY")
            if failed or time.monotonic() > deadline:
                serve.delete(self._name, _blocking=False)
                raise ConfigurationError(
                    f"the replicas did not start ({state.status}: {state.message[:300]})",
                    hint="look into the logs of Ray Serve on the cluster",
                )
            time.sleep(0.2)
        return handle
