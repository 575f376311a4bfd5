import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cassettes import CassetteError, CassetteFile

HEADER = b'{"cassette": 1, "experiment": "films", "recording": "m-1shot"}\n'


@pytest.fixture
def recorded(open_file, row, path: Path) -> Path:
    """A cassette of three rows, keys 0 to 2."""
    file = open_file(record=True)
    for number in range(3):
        file.append(row(number))
    file.close()
    return path


def numbers(file: CassetteFile) -> list[int]:
    return [row["body"]["number"] for row in file.rows()]


def test_rows_are_read_as_they_were_written(recorded: Path, open_file, row) -> None:
    file = open_file()
    assert len(file) == 3
    assert list(file.keys()) == [row(number).key for number in range(3)]
    assert file.answer(row(1).key).body == b'{"number":1}'
    assert file.answer(row(1).key).metadata["items"] == ["item-1"]
    assert row(3).key not in file
    with pytest.raises(KeyError):
        file.answer(row(3).key)


def test_a_row_can_be_replayed_at_once(open_file, row, path: Path) -> None:
    file = open_file(record=True)
    file.append(row(1))
    assert file.answer(row(1).key).body == b'{"number":1}'
    assert path.read_bytes() == HEADER + row(1).line()


def test_each_line_is_json_that_begins_with_its_key(recorded: Path, row) -> None:
    header, *lines = recorded.read_bytes().splitlines()
    assert json.loads(header) == {"cassette": 1, "experiment": "films", "recording": "m-1shot"}
    assert [next(iter(json.loads(line))) for line in lines] == ["key"] * 3
    assert [list(json.loads(line))[-1] for line in lines] == ["body"] * 3


def test_recording_goes_on_behind_what_is_there(recorded: Path, open_file, row) -> None:
    before = recorded.read_bytes()
    file = open_file(record=True)
    file.append(row(3))
    assert numbers(file) == [0, 1, 2, 3]
    assert recorded.read_bytes() == before + row(3).line()


@pytest.mark.parametrize("cut", [1, 2, 40, 200])
def test_a_torn_last_line_is_dropped_and_recording_goes_on(
    recorded: Path, open_file, row, cut: int
) -> None:
    whole = recorded.read_bytes()
    recorded.write_bytes(whole[:-cut])
    assert numbers(open_file()) == [0, 1]
    file = open_file(record=True)
    file.append(row(2))
    file.close()
    assert recorded.read_bytes() == whole


@given(cut=st.integers(0, 2_000))
def test_wherever_a_file_is_cut_only_the_torn_row_is_lost(cut: int, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("cut") / "m-1shot.jsonl"
    lines = [HEADER] + [
        b'{"key":"%064x","endpoint":"GET x","body":{"number":%d}}\n' % (i, i) for i in range(3)
    ]
    content = b"".join(lines)[:cut]
    path.write_bytes(content)
    file = CassetteFile(path, experiment="films", recording="m-1shot")
    whole = content.count(b"\n")
    assert len(file) == max(whole - 1, 0)
    file.start_recording()
    file.close()
    assert path.read_bytes() == b"".join(lines[: max(whole, 1)])


def test_a_missing_cassette_is_empty_until_it_is_recorded(open_file, row, path: Path) -> None:
    file = open_file()
    assert (file.exists, len(file), path.exists()) == (False, 0, False)
    file.start_recording()
    assert (file.exists, path.read_bytes()) == (True, HEADER)


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize(
    "damage",
    [
        b"\n",
        b"<<<<<<< HEAD\n",
        b'{"key":"abc","body":{}}\n',
        b'{"key":"' + b"g" * 64 + b'","body":{}}\n',
        b'{"key":"' + b"0" * 64 + b'","body":{"num\n',
        b"\x00" * 100 + b"\n",
    ],
)
def test_a_damaged_line_is_named_by_its_number(
    recorded: Path, open_file, number: int, damage: bytes
) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    lines[number - 1] = damage
    recorded.write_bytes(b"".join(lines))
    with pytest.raises(CassetteError) as raised:
        open_file()
    assert str(raised.value) == (
        f"{recorded}, line {number}: this is no row of a cassette; restore the file from version "
        "control, or delete it and record again."
    )


@pytest.mark.parametrize(
    "rest", [b'"endpoint":"POST completions"}', b'"status":200,"body":{"number":}', b'],"body":{}}']
)
def test_a_row_spoilt_inside_is_named_by_its_line(recorded: Path, open_file, row, rest) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    lines[2] = b'{"key":"%064x",%s\n' % (1, rest)
    recorded.write_bytes(b"".join(lines))
    file = open_file()
    assert file.answer(row(0).key).body == b'{"number":0}'
    with pytest.raises(CassetteError, match="line 3: this is no row of a cassette"):
        file.answer(row(1).key)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"interactions:\n- request: x\n", "line 1: this is no tunebench cassette"),
        (b"[1, 2]\n", "line 1: this is no tunebench cassette"),
        (b'"cassette"\n', "line 1: this is no tunebench cassette"),
        (b"\xff\xd8\xff\n", "line 1: this is no tunebench cassette"),
        (b'{"a letter": "without a line break"}', "line 1: this is no tunebench cassette"),
        (b'{"cassette": 2, "experiment": "films"}\n', "format version 2 and this tunebench reads"),
        (HEADER.replace(b"films", b"books"), "belongs to the experiment 'books', not to 'films'"),
        (HEADER.replace(b"m-1", b"m-4"), "belongs to the recording 'm-4shot', not to 'm-1shot'"),
        (b'{"cassette": 1}\n', "belongs to the experiment None, not to 'films'"),
    ],
)
def test_a_file_that_is_not_this_cassette_is_refused_and_left_alone(
    path: Path, header: bytes, said: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(header)
    with pytest.raises(CassetteError, match=f"^{path}, line 1: ") as raised:
        CassetteFile(path, experiment="films", recording="m-1shot").start_recording()
    assert said in str(raised.value)
    assert path.read_bytes() == header


def test_without_recording_nothing_is_written(recorded: Path, open_file, row) -> None:
    before = recorded.read_bytes()
    with pytest.raises(CassetteError, match="not open for recording"):
        open_file().append(row(3))
    assert recorded.read_bytes() == before


def test_a_closed_cassette_answers_nothing(recorded: Path, open_file, row) -> None:
    file = open_file()
    file.close()
    with pytest.raises(CassetteError, match="the cassette is closed"):
        file.answer(row(0).key)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "cassettes").write_text("a file")
    path = tmp_path / "cassettes" / "m-1shot.jsonl"
    with pytest.raises(CassetteError, match="cannot be opened for recording"):
        CassetteFile(path, experiment="films", recording="m-1shot").start_recording()


def in_another_process(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


HOLD = """\
import sys
from pathlib import Path
from harness.cassettes import CassetteFile
file = CassetteFile(Path(sys.argv[1]), experiment="films", recording="m-1shot")
file.start_recording()
print("recording", flush=True)
sys.stdin.read()
"""


def test_a_second_process_cannot_record_the_same_cassette(recorded: Path, open_file, row) -> None:
    before = recorded.read_bytes()
    with in_another_process(HOLD, recorded) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "recording\n"
        with pytest.raises(CassetteError, match="another process is recording this cassette"):
            open_file(record=True)
        assert numbers(open_file()) == [0, 1, 2]  # replaying goes on
    assert recorded.read_bytes() == before
    open_file(record=True).append(row(3))  # the lock ended with its process


def test_a_second_recorder_in_this_process_is_refused_too(recorded: Path, open_file) -> None:
    open_file(record=True)
    with pytest.raises(CassetteError, match="another process is recording this cassette"):
        open_file(record=True)


FILL = """\
import resource, sys
from pathlib import Path
from harness.cassettes import CassetteError, CassetteFile
from harness.cassettes.store import Row
file = CassetteFile(Path(sys.argv[1]), experiment="films", recording="m-1shot")
file.start_recording()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
def row(number):
    return Row(f"{number:064x}", "POST completions", "m", [f"item-{number}"], {}, [], 200, 1.5,
               "", "", {"number": number})
for number in range(3, 100):
    try:
        file.append(row(number))
    except CassetteError as error:
        assert f"{number:064x}" not in file
        print(error)
        break
"""


@pytest.mark.parametrize("room", range(1_000, 1_250, 50))
def test_a_full_disk_loses_nothing_that_was_recorded(
    recorded: Path, open_file, row, room: int
) -> None:
    before = recorded.read_bytes()
    with in_another_process(FILL, recorded, len(before) + room) as other:
        assert other.stdout is not None
        said = other.stdout.read()
    assert other.returncode == 0
    after = recorded.read_bytes()
    assert after.startswith(before)
    assert after.endswith(b"}\n")
    kept = numbers(open_file())
    assert kept == list(range(len(kept)))
    assert len(kept) > 3
    assert said.startswith(f"{recorded}: the answer for item-{len(kept)} could not be written (")
    assert said.endswith("); make room and record again, what was recorded before is kept.\n")
    file = open_file(record=True)
    file.append(row(len(kept)))
    assert numbers(file) == [*kept, len(kept)]


def test_threads_can_record_and_replay_at_once(open_file, row, path: Path) -> None:
    file = open_file(record=True)

    def work(first: int) -> None:
        for number in range(first, 400, 8):
            file.append(row(number, body={"number": number, "long": "x" * (number * 7)}))
            assert json.loads(file.answer(row(number).key).body)["number"] == number

    failures: list[object] = []
    hook, threading.excepthook = threading.excepthook, failures.append
    try:
        threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.excepthook = hook
    file.close()
    assert failures == []
    assert sorted(numbers(open_file())) == list(range(400))


def bytes_read() -> int:
    counters = Path("/proc/self/io").read_text().split()
    return int(counters[counters.index("rchar:") + 1])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts reads by Linux's /proc")
def test_an_answer_costs_its_own_bytes_however_many_rows_there_are(path: Path, row) -> None:
    path.parent.mkdir()
    line = len(row(0).line())
    path.write_bytes(HEADER + b"".join(row(number).line() for number in range(25_000)))
    file = CassetteFile(path, experiment="films", recording="m-1shot")
    before = bytes_read()
    for number in range(0, 25_000, 25):
        assert row(number).key in file
        assert b'"number":%d}' % number in file.answer(row(number).key).body + b"}"
    read = bytes_read() - before
    file.close()
    assert len(file) == 25_000
    assert read < 2 * 1_000 * (line + 20)


def test_a_killed_writer_leaves_whole_rows(path: Path, open_file) -> None:
    endless = FILL.replace("range(3, 100)", "range(10**9)")
    with in_another_process(endless, path, 2**40) as other:
        while not path.exists() or path.stat().st_size < 20_000:
            time.sleep(0.01)
        other.kill()
    kept = numbers(open_file())
    assert kept == list(range(len(kept)))
    assert len(kept) > 50
