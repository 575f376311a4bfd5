"""The data folder: only for its user, whole at the start, and never silently replaced."""

import contextlib
import os
import sqlite3
import stat

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from tunebench.errors import ConfigurationError
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning import gone
from tunebench.server.tuning.data_folder import prepare
from tunebench.server.tuning.storage import Storage

from .test_serve_command import run


@pytest.fixture
def storage(tmp_path):
    """A data folder with a file."""
    made = Storage(tmp_path / "data")
    store(made)
    return made


def store(storage, content=b"a text"):
    source = storage.folder.parent / "source"
    source.write_bytes(content)
    with source.open("rb") as file, storage.new_file(file, "a.jsonl", "fine-tune") as (_, made):
        return made["id"]


def names(storage):
    with storage.reading() as connection:
        return [row["id"] for row in connection.execute("SELECT id FROM files")]


def modes(storage):
    paths = [storage.folder, *storage.folder.rglob("*")]
    return {stat.S_IMODE(path.stat().st_mode) for path in paths}


def test_a_permissive_umask_lets_nobody_in(tmp_path):
    before = os.umask(0)
    try:
        storage = Storage(tmp_path / "new" / "data")
        (tmp_path / "new").mkdir()
        store(storage)
        with storage.transaction():
            assert len(list(storage.folder.glob("*.sqlite3-*"))) == 2
            assert modes(storage) == {0o700, 0o600}
    finally:
        os.umask(before)


def test_an_existing_folder_is_narrowed_and_what_is_not_the_servers_stays(storage):
    job = storage.job_folder("ftjob-1")
    (job / "epoch-1").mkdir(parents=True)
    for path in (job / "log", job / "epoch-1" / "weights", storage.folder / "mine.txt"):
        path.touch()
    outside = storage.folder.parent / "outside"
    outside.touch()
    (storage.files / "link").symlink_to(outside)
    for path in [storage.folder, outside, *storage.folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    prepare(storage)
    assert stat.S_IMODE((storage.folder / "mine.txt").stat().st_mode) == 0o666
    assert stat.S_IMODE(outside.stat().st_mode) == 0o666
    (storage.folder / "mine.txt").unlink()
    (storage.files / "link").unlink()
    assert modes(storage) == {0o700, 0o600}
    assert len(names(storage)) == 1


def garbage(storage):
    storage.database.write_bytes(b"garbage" * 1000)


def zero_bytes(storage):
    storage.database.write_bytes(b"")


def deleted(storage):
    storage.database.unlink()


def torn(storage):
    content = storage.database.read_bytes()
    storage.database.write_bytes(content[: len(content) // 2])


def damaged_inside(storage):
    content = storage.database.read_bytes()
    storage.database.write_bytes(content[:4096] + b"x" * (len(content) - 4096))


def a_folder(storage):
    storage.database.unlink()
    storage.database.mkdir()


def another_one(storage):
    storage.database.unlink()
    with contextlib.closing(sqlite3.connect(storage.database)) as connection:
        connection.execute("CREATE TABLE things (name TEXT)")


DAMAGES = [garbage, zero_bytes, deleted, torn, damaged_inside, a_folder, another_one]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_damaged_database_is_an_error_at_the_start_that_names_it(storage, damage):
    damage(storage)
    with pytest.raises(ConfigurationError) as caught:
        prepare(storage)
    sentence = str(caught.value)
    assert sentence.startswith(f"{storage.database}: the database is damaged or lost; put a copy")


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_database_that_is_damaged_later_is_a_refusal_without_a_path(storage, damage):
    [content] = storage.files.iterdir()
    damage(storage)
    for opened in (storage.reading, storage.transaction):
        with (
            pytest.raises(ApiError, match="damaged or lost") as caught,
            opened() as connection,
        ):
            connection.execute("SELECT * FROM files").fetchall()
        assert (caught.value.status_code, caught.value.code) == (500, "database_damaged")
        assert str(storage.folder) not in str(caught.value)
    with pytest.raises(ApiError, match="damaged or lost"):
        store(storage)
    assert list(storage.files.iterdir()) == [content]


def test_a_locked_database_is_an_error_at_the_start(storage):
    with contextlib.closing(sqlite3.connect(storage.database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConfigurationError, match=r"sqlite3: the database is locked by another"):
            prepare(storage)


def test_a_database_that_another_program_writes_can_be_read(storage):
    with storage.transaction():
        assert len(names(storage)) == 1


def test_the_command_names_a_damaged_database_in_one_line(storage):
    garbage(storage)
    ended = run("--port", "0", "--model", "x", "--data-dir", str(storage.folder))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {storage.database}: the database is damaged or lost;")
    assert ended.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_the_data_folder_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="file: the data folder must be a folder"):
        prepare(Storage(tmp_path / "file"))
    (tmp_path / "all").mkdir()
    (tmp_path / "all").chmod(0o1777)
    (tmp_path / "all" / "of another user").touch()
    with pytest.raises(ConfigurationError, match="all: this folder is for all users"):
        prepare(Storage(tmp_path / "all"))
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk").chmod(0o1777)
    prepare(Storage(tmp_path / "disk"))
    assert modes(Storage(tmp_path / "disk")) == {0o700}
    prepare(Storage(tmp_path / "missing"))
    assert not (tmp_path / "missing").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_database_that_cannot_be_read_is_an_error(storage):
    storage.database.chmod(0)
    with pytest.raises(ConfigurationError, match="the database cannot be opened; let this user"):
        prepare(storage)


def test_reading_makes_nothing(tmp_path):
    assert names(Storage(tmp_path / "none")) == []
    assert list(tmp_path.iterdir()) == []


def test_what_was_deleted_on_a_full_disk_is_removed_later(storage):
    kept = names(storage)
    doomed = store(storage)
    os.truncate(storage.files / doomed, 0)
    gone.remove_gone(storage)
    assert names(storage) == kept == [path.name for path in storage.files.iterdir()]
