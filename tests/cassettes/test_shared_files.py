"""One cassette's file, used by several at once: threads, forks, other processes."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tunebench.cassettes import CassetteFile
from tunebench.errors import CassetteError

from .film_rows import LINE, error_of, found, numbers, opened, row, written_file, written_row


@pytest.fixture
def recorded(open_file, path: Path) -> Path:
    """A cassette of three rows, 0 to 2."""
    path.parent.mkdir()
    path.write_bytes(written_file(range(3)))
    return path


def in_threads(work: Callable[[int], None], threads: int = 8) -> list[BaseException]:
    """What fails where each thread works, from 0 on."""
    failures: list[BaseException] = []
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return failures


def in_a_fork(work: Callable[[], object]) -> int:
    """Begin to work in a process of its own, which ends with 0 if all is well."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def end_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


HOLD = """\
import sys
from pathlib import Path
from tunebench.cassettes import CassetteFile
file = CassetteFile(Path(sys.argv[1]), experiment="films", recording="m-1shot")
file.start_recording()
print("recording", flush=True)
sys.stdin.read()
"""


def test_a_second_process_cannot_record_the_same_cassette(recorded: Path, open_file) -> None:
    before = recorded.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(recorded)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "recording\n"
        with pytest.raises(CassetteError, match="another process is recording this cassette"):
            open_file(record=True)
        assert numbers(open_file()) == [0, 1, 2]  # replaying goes on
    assert recorded.read_bytes() == before
    open_file(record=True).append(LINE, [row(3)])  # the lock ended with its process


def test_a_second_recorder_in_this_process_is_refused_too(recorded: Path, open_file) -> None:
    open_file(record=True)
    with pytest.raises(CassetteError, match="another process is recording this cassette"):
        open_file(record=True)


def test_what_another_recording_added_meanwhile_is_known(recorded: Path, open_file) -> None:
    first, second = open_file(), open_file()
    first.start_recording()
    first.append(LINE, [row(3)])
    first.close()
    second.start_recording()
    assert second.append(LINE, [row(3), row(4)]) == 1
    assert numbers(second) == [0, 1, 2, 3, 4]


def test_a_recording_goes_on_where_one_that_got_nothing_takes_its_file_away(
    path: Path, open_file
) -> None:
    first, second = open_file(record=True), open_file()
    first.close()
    second.start_recording()
    second.append(LINE, [row(1)])
    second.close()
    assert path.read_bytes() == written_file([1])


def test_a_file_that_turns_out_to_be_damaged_is_not_taken_away(path: Path, open_file) -> None:
    file = open_file()
    path.parent.mkdir()
    path.write_bytes(b"somebody else's file\n")
    assert "this is not a tunebench cassette" in error_of(file.start_recording)
    assert path.read_bytes() == b"somebody else's file\n"


def test_threads_can_record_and_replay_at_once(open_file) -> None:
    file = open_file(record=True)

    def work(first: int) -> None:
        for number in range(first, 200, 8):
            answer = {"text": f" {number}", "finish_reason": "stop", "long": "x" * (number * 7)}
            file.append(LINE, [row(number, answer=answer)])
            assert found(file, number).row.answer == answer

    assert in_threads(work) == []
    file.close()
    assert sorted(numbers(open_file())) == list(range(200))


def test_threads_can_look_for_damage_at_once(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(written_file(range(5_000)))
    file = opened(path)
    assert in_threads(lambda _: file.check()) == []
    file.close()


def test_forks_and_threads_read_one_open_file_at_once(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(written_file(range(600)))
    file = opened(path)

    def work(first: int) -> None:
        for number in range(first * 7, 600, 9):
            assert found(file, number).row == row(number)
        file.check()

    forks = [in_a_fork(lambda: work(fork)) for fork in range(4)]  # noqa: B023
    assert [end_of(fork) for fork in forks] == [0] * 4
    assert in_threads(work) == []
    file.close()


def fill(path: Path, room: int, numbers: range) -> str:
    """Record rows in another process until no room is left; what is said then."""

    def work() -> None:
        file = opened(path)
        file.start_recording()
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        for number in numbers:
            if said := error_of(lambda: file.append(LINE, [row(number)])):  # noqa: B023
                assert not file.holds(LINE.digest, f"{number:064x}")
                os.write(end, said.encode())
                break
        file.close()

    begin, end = os.pipe()
    assert end_of(in_a_fork(work)) == 0
    os.close(end)
    with open(begin) as pipe:
        return pipe.read()


@pytest.mark.parametrize("room", [0, 30, 150, 300])
def test_a_full_disk_loses_nothing_that_was_recorded(recorded: Path, open_file, room: int) -> None:
    """Room for nothing, a part of a row, or one row and a part of the next."""
    said = fill(recorded, len(recorded.read_bytes()) + room, range(3, 99))
    kept = numbers(open_file())
    assert recorded.read_bytes() == written_file(kept)
    assert kept == list(range(3 + room // len(written_row(3))))
    assert said.startswith(f"{recorded}: the answer for item-{len(kept)} could not be written (")
    assert said.endswith("); make room and record again, what was recorded before is kept.")
    file = open_file(record=True)
    file.append(LINE, [row(len(kept))])
    assert numbers(file) == [*kept, len(kept)]


@pytest.mark.parametrize("room", [0, 10, 100])
def test_a_disk_that_is_full_from_the_start_leaves_no_file(path: Path, room: int) -> None:
    assert f"{path}: the answer for item-0 could not be written (" in fill(path, room, range(9))
    assert not path.exists()


@pytest.mark.parametrize("sync", [True, False])
def test_a_disk_that_refuses_what_is_forced_to_it_is_a_sentence(
    recorded: Path, open_file, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    def refuse(file: int) -> None:
        raise OSError(5, "Input/output error")

    file = open_file(record=True)
    monkeypatch.setattr(os, "fsync", refuse)
    if sync:
        said = error_of(lambda: file.append(LINE, [row(3)], sync=True))
        assert said.startswith(f"{recorded}: the answer for item-3 could not be written (Input/ou")
        assert not file.holds(LINE.digest, f"{3:064x}")
    file.append(LINE, [row(4)])
    assert error_of(file.close).startswith(
        f"{recorded}: what was recorded last may not have reached the disk (Input/output error); "
    )
    monkeypatch.undo()
    assert numbers(open_file(record=True)) == [0, 1, 2, 4]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "cassettes").write_text("a file")
    path = tmp_path / "cassettes" / "m-1shot.jsonl"
    with pytest.raises(CassetteError, match="cannot be opened for recording"):
        opened(path).start_recording()


@pytest.mark.parametrize("name", ["x" * 300, "loop"])
def test_a_path_that_cannot_be_opened_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    path = tmp_path / name
    assert error_of(lambda: opened(path)).startswith(f"{path}: the cassette cannot be read (")


def test_a_disk_that_cannot_be_read_is_a_sentence(
    recorded: Path, open_file, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> bytes:
        raise OSError(5, "Input/output error")

    file = open_file()
    monkeypatch.setattr(os, "pread", refuse)
    for read in (lambda: found(file, 1), file.check, lambda: opened(recorded)):
        assert error_of(read).startswith(f"{recorded}: the cassette cannot be read (Input/output")


def test_what_is_in_a_pipe_a_folder_or_a_device_is_not_waited_for(tmp_path: Path) -> None:
    pipe, folder, device = tmp_path / "pipe", tmp_path / "folder", tmp_path / "device"
    files = [CassetteFile(path, experiment="e", recording="r") for path in (pipe, folder, device)]
    os.mkfifo(pipe)
    folder.mkdir()
    device.symlink_to("/dev/zero")
    for file in files:
        refused = f"{file.path}: the cassette is not a regular file; move it away."
        assert error_of(lambda: opened(file.path)) == refused  # noqa: B023
        assert error_of(file.start_recording).startswith(f"{file.path}: the cassette ")


def test_a_killed_writer_leaves_whole_rows(path: Path, open_file) -> None:
    def work() -> None:
        file = opened(path)
        file.start_recording()
        for number in range(10**9):
            file.append(LINE, [row(number)])

    child = in_a_fork(work)
    while not path.exists() or path.stat().st_size < 20_000:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert end_of(child) == -signal.SIGKILL
    kept = numbers(open_file())
    assert kept == list(range(len(kept)))
    assert len(kept) > 50
