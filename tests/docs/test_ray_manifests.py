"""The examples for Docker Compose and KubeRay: well-formed, and with options that there are."""

import argparse
import json
import shlex
from pathlib import Path

import jsonschema
import pytest

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which the local extra brings")

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "ray"


TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
COUNT = {"type": "integer", "minimum": 0}


def _object(required, **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


# As KubeRay's types of ray.io/v1 name the fields; pods are checked against Kubernetes' own schema.
RAY_CLUSTER = _object(
    "headGroupSpec",
    rayVersion={"type": "string"},
    headGroupSpec=_object(
        "rayStartParams template",
        serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
        rayStartParams=TEXTS,
        template={"type": "object"},
    ),
    workerGroupSpecs={
        "type": "array",
        "items": _object(
            "groupName minReplicas maxReplicas rayStartParams template",
            groupName={"type": "string"},
            replicas=COUNT,
            minReplicas=COUNT,
            maxReplicas=COUNT,
            numOfHosts=COUNT,
            rayStartParams=TEXTS,
            template={"type": "object"},
        ),
    },
)


@pytest.fixture
def compose():
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


@pytest.fixture
def kuberay():
    made = list(yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text()))
    return {one["kind"]: one for one in made}


def check_command(shell):
    """Whether the server's command in a shell's line has only options that it takes."""
    from tunebench import server

    words = shlex.split(shell)
    start = next(place for place, word in enumerate(words) if word == "serve")
    parser = argparse.ArgumentParser(exit_on_error=False)
    server.add_arguments(parser)
    options = parser.parse_args(words[start + 1 :])
    assert options.engine == "ray"
    assert options.storage.startswith("/shared/")


def test_compose(compose):
    assert set(compose["services"]) == {"head", "node"}
    for service in compose["services"].values():
        [volume] = service["volumes"]
        assert volume.split(":")[0] in compose["volumes"]
    check_command(compose["services"]["head"]["command"][-1])
    assert "--address head:6379" in compose["services"]["node"]["command"]


def test_compose_against_the_specification(compose):
    spec = pytest.importorskip("compose_spec", reason="needs compose-spec")
    spec.PyCompose.from_json(json.dumps(compose)).validate()


def test_kuberay(kuberay):
    cluster = kuberay["RayCluster"]
    assert cluster["apiVersion"] == "ray.io/v1"
    jsonschema.validate(cluster["spec"], RAY_CLUSTER)
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        assert isinstance(group["rayStartParams"], dict)
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    server = groups[0]["template"]["spec"]["containers"][1]
    check_command(server["args"][0])
    [api] = server["ports"]
    assert kuberay["Service"]["spec"]["ports"][0]["targetPort"] == api["containerPort"]
    [claim] = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in groups[0]["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    ]
    assert claim == kuberay["PersistentVolumeClaim"]["metadata"]["name"]


def test_kuberay_against_kubernetes_schemas(kuberay):
    """All but the custom resource itself: its pods, and the two other objects."""
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    spec = kuberay["RayCluster"]["spec"]
    pods = [
        {
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"name": "pods"},
            "template": group["template"],
        }
        for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    ]
    for one in [*pods, kuberay["PersistentVolumeClaim"], kuberay["Service"]]:
        validate.validate(one, validate.latest_version(), strict=True)
