import pytest

from .small_project import Project


@pytest.fixture
def project(pytester, loopback, said, data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    return Project(pytester, loopback, said)


@pytest.fixture
def recorded(project, recordings):
    recordings.record(project, passed=8)
    return project
