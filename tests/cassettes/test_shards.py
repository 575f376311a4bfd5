"""A long cassette is sealed in shards, and is read as one."""

import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebench.cassettes import (
    CassetteFile,
    inspect,
    prune_shards,
    put_in_place,
    remove_cassette,
    shards_of,
    text_sha256,
)
from tunebench.cassettes.lines import RequestLine
from tunebench.errors import CassetteError

from .film_rows import (
    DIGEST,
    LINE,
    error_of,
    found,
    numbers,
    opened,
    read_all,
    row,
    written_file,
    written_row,
)
from .reviews import PROMPTS, TEXTS

OTHER = RequestLine("e" * 64, "POST completions", "n")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CassetteFile, "shard_bytes", 2000)


@pytest.fixture
def recorded(open_file: Callable[..., CassetteFile], path: Path) -> Path:
    """A cassette of 40 rows in shards, and some in the open file."""
    file = open_file(record=True)
    for number in range(40):
        file.append(LINE, [row(number)])
    file.close()
    assert len(shards_of(path)) > 3
    return path


def shard_of(path: Path, number: int = 1) -> Path:
    return shards_of(path)[number].path(path)


def test_rows_of_shards_are_read_as_those_of_a_file(recorded: Path, open_file) -> None:
    file = open_file()
    assert (len(file), numbers(file)) == (40, list(range(40)))
    for number in (39, 0, 17):
        stored = found(file, number)
        assert (stored.row, stored.request) == (row(number), LINE)
        assert stored.answer == b'{"text":" %d","finish_reason":"stop"}' % number
    assert file.holds(DIGEST, f"{3:064x}")
    assert not file.holds(DIGEST, f"{40:064x}")
    assert not file.holds("e" * 64, f"{3:064x}")
    file.check()
    kept = inspect(recorded)
    assert [one.row for one in kept.rows.values()] == list(map(row, range(40)))
    assert (kept.problems, kept.torn) == ([], False)
    assert kept.size == sum(
        file.stat().st_size for file in recorded.parent.iterdir() if file.suffix != ".index"
    )


def test_a_shard_is_a_cassette_of_its_own(recorded: Path, open_file, tmp_path: Path) -> None:
    zstd = pytest.importorskip("backports.zstd")
    first = tmp_path / "first.jsonl"
    first.write_bytes(zstd.decompress(shard_of(recorded, 0).read_bytes()))
    assert numbers(open_file(first)) == list(range(shards_of(recorded)[0].rows))
    assert first.read_bytes() == written_file(range(shards_of(recorded)[0].rows))


def test_the_open_file_is_plain_and_states_another_version(recorded: Path) -> None:
    header = json.loads(recorded.read_bytes().splitlines()[0])
    assert (header["cassette"], header["recording"]) == (3, "m-1shot")
    assert [one["name"][:5] for one in header["shards"]][:2] == ["0001-", "0002-"]
    assert (
        sum(one["rows"] for one in header["shards"])
        + len(
            [line for line in recorded.read_bytes().splitlines() if line.startswith(b'{"prompt"')]
        )
        == 40
    )


def test_limits_go_from_header_to_header(path: Path) -> None:
    limits = {"m-1shot": {"min_accuracy": 0.5}}
    file = CassetteFile(path, experiment="films", recording="m-1shot", limits=limits)
    file.start_recording()
    file.append(LINE, map(row, range(20)))
    file.append(LINE, map(row, range(20, 40)))
    file.close()
    assert len(shards_of(path)) == 2
    assert opened(path).recorded_limits == limits


def test_a_row_is_found_where_it_was_also_after_a_seal(open_file) -> None:
    file = open_file(record=True)
    file.append(LINE, map(row, range(4)))
    (before,) = file.find(DIGEST, [bytes.fromhex(f"{2:064x}")])
    file.append(LINE, map(row, range(4, 30)))
    assert file.answer(before).row == row(2)
    assert file.find(DIGEST, [bytes.fromhex(f"{2:064x}")]) == [before]


def test_a_prompt_that_is_sealed_is_not_written_again(recorded: Path, open_file) -> None:
    file = open_file(record=True)
    assert file.append(LINE, map(row, range(42))) == 2
    assert file.append(OTHER, [row(1, OTHER)]) == 1
    assert len(open_file()) == 43


@settings(max_examples=40)
@given(
    steps=st.lists(
        st.tuples(st.lists(st.integers(0, 30), max_size=9), st.booleans(), st.booleans()),
        max_size=8,
    ),
    shard_bytes=st.sampled_from([1, 700, 2000]),
)
def test_rows_in_any_order_and_reopenings_read_back_as_one_dictionary(
    steps: list[Any], shard_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("shards") / "m-1shot.jsonl"
    known: dict[tuple[str, str], Any] = {}
    file = opened(path)
    file.shard_bytes = shard_bytes
    file.start_recording()
    for count, (appended, other, reopened) in enumerate(steps):
        line = OTHER if other else LINE
        # A later answer to a prompt that is there does not count.
        rows = [row(number, line, answer={"text": str(count)}) for number in appended]
        for one in reversed(rows):
            if not file.holds(line.digest, one.prompt):
                known[line.digest, one.prompt] = one
        file.append(line, rows)
        if reopened:
            file.close()
            file.start_recording()
    for each in (file, opened(path)):
        read = {(one.request.digest, one.row.prompt): one.row for one in each.rows()}
        assert read == known
        assert len(each) == len(known)
        positions = list(each.positions())
        assert positions == sorted(set(positions))
        for digest, prompt in known:
            (at,) = each.find(digest, [bytes.fromhex(prompt)])
            assert each.answer(at).row == known[digest, prompt]
        each.check()
        each.close()


def test_a_replay_is_that_of_one_file(
    recording, replaying, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = tmp_path / "plain" / "m-1shot.jsonl"
    with recording(PROMPTS, prompts_per_request=4) as (client, _):
        client.complete("m", TEXTS, {"max_tokens": 1})
    monkeypatch.setattr(CassetteFile, "shard_bytes", 1 << 25)
    with recording(PROMPTS, where=plain, prompts_per_request=4) as (client, _):
        client.complete("m", TEXTS, {"max_tokens": 1})
    assert len(shards_of(path)) > 3
    assert shards_of(plain) == []
    assert [one.row.answer for one in inspect(path).rows.values()] == [
        one.row.answer for one in inspect(plain).rows.values()
    ]
    with replaying(PROMPTS) as (client, cassette):
        replies = client.complete("m", TEXTS, {"max_tokens": 1})
        assert cassette.all_played
        assert (cassette.unplayed, cassette.totals().completion_tokens) == ([], len(TEXTS))
    with replaying(PROMPTS, where=plain) as (client, _):
        assert [one.answers for one in client.complete("m", TEXTS, {"max_tokens": 1})] == [
            one.answers for one in replies
        ]


def test_rows_that_were_not_asked_are_named(recording, replaying, path: Path) -> None:
    with recording(PROMPTS, prompts_per_request=4) as (client, _):
        client.complete("m", TEXTS, {"max_tokens": 1})
    with replaying(PROMPTS) as (client, cassette):
        client.complete("m", TEXTS[2:], {"max_tokens": 1})
        unplayed = cassette.unplayed
    assert [key[:64] for key in unplayed] == [
        one.row.prompt for one in list(inspect(path).rows.values())[:2]
    ]
    prune_shards(path, unplayed)
    assert len(inspect(path).rows) == len(TEXTS) - 2
    with replaying(PROMPTS) as (client, cassette):
        client.complete("m", TEXTS[2:], {"max_tokens": 1})
        assert cassette.unplayed == []
    listed = {file for one in shards_of(path) for file in (one.path(path), one.index(path))}
    assert {path, *listed} == set(path.parent.iterdir())


def test_a_damaged_frame_is_named_with_its_file(recorded: Path, open_file) -> None:
    shard = shard_of(recorded)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    said = read_all(recorded)
    assert said.startswith(f"{shard}, frame 1: the frame is damaged (")
    assert said.endswith(
        "; restore the file from version control, or delete the cassette and record again."
    )
    assert error_of(open_file().check) == said
    assert inspect(recorded).problems == [said]
    assert inspect(recorded).damaged
    assert found(open_file(), 0).row == row(0)


def test_a_changed_line_within_a_sound_frame_is_named(recorded: Path, open_file) -> None:
    zstd = pytest.importorskip("backports.zstd")
    shard = shard_of(recorded, 0)
    lines = zstd.decompress(shard.read_bytes())
    options = {zstd.CompressionParameter.checksum_flag: 1}
    changed = lines.replace(b'" 1"', b'" 7"')
    for level in range(-5, 20):  # until it has the same size
        again = zstd.compress(changed, level=level)
        again = zstd.compress(
            changed, options={**options, zstd.CompressionParameter.compression_level: level}
        )
        if len(again) == shard.stat().st_size:
            break
    else:
        pytest.skip("no level gives the same size")
    shard.write_bytes(again)
    file = open_file()
    assert found(file, 0).row == row(0)
    assert error_of(lambda: found(file, 1)).startswith(f"{shard}, line 4: the line is damaged (")


@pytest.mark.parametrize("ending", ["jsonl.zst", "index"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_shard_that_is_not_whole_is_named(recorded: Path, ending: str, damage: str) -> None:
    shard = shard_of(recorded)
    file = shard.with_name(f"{shard.name.removesuffix('jsonl.zst')}{ending}")
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[:-1] if damage == "cut" else b"")
    said = error_of(lambda: opened(recorded))
    assert said.startswith(f"{file}: ")
    assert error_of(lambda: opened(recorded).start_recording()) == said
    assert inspect(recorded).problems == [said]


@given(bit=st.integers(0))
@settings(max_examples=60)
def test_a_bit_of_an_index_that_changes_is_noticed(bit: int, indexed: tuple[Path, bytes]) -> None:
    index, content = indexed
    changed = bytearray(content)
    changed[bit // 8 % len(content)] ^= 1 << bit % 8
    index.write_bytes(changed)
    assert error_of(lambda: opened(index.with_name("m-1shot.jsonl"))).startswith(f"{index}: ")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("indexed") / "m-1shot.jsonl"
    file = opened(path)
    file.shard_bytes = 2000
    file.start_recording()
    file.append(LINE, map(row, range(9)))
    file.close()
    index = shards_of(path)[0].index(path)
    return index, index.read_bytes()


def test_a_list_of_shards_that_was_changed_is_refused(recorded: Path) -> None:
    recorded.write_bytes(recorded.read_bytes().replace(b'"name": "0002-', b'"name": "../0002-', 1))
    said = error_of(lambda: opened(recorded))
    assert said.startswith(f"{recorded}, line 1: the header's list of shards is damaged; ")


def test_another_content_of_a_sealed_key_is_refused(recorded: Path, open_file) -> None:
    with recorded.open("ab") as file:
        file.write(written_row(38) + written_row(0))
    # As after a merge.
    assert (len(open_file()), numbers(open_file())) == (40, list(range(40)))
    with recorded.open("ab") as file:
        file.write(written_row(1, answer={"text": " 9", "finish_reason": "stop"}))
    said = error_of(open_file)
    assert f"the row has the key of {shard_of(recorded, 0)}, line 4 and another content" in said


def test_a_torn_line_behind_shards_is_dropped(recorded: Path, open_file) -> None:
    before = recorded.read_bytes()
    with recorded.open("ab") as file:
        file.write(written_row(40)[:-20])
    assert len(open_file()) == 40
    assert inspect(recorded).torn
    open_file(record=True).close()
    assert recorded.read_bytes() == before


def test_a_new_cassette_takes_the_place_of_one_with_shards(
    recorded: Path, open_file, tmp_path: Path
) -> None:
    part = recorded.with_name(f"{recorded.name}.part")
    file = open_file(part, record=True)
    file.append(LINE, [row(1, answer={"text": " 9", "finish_reason": "stop"})])
    for number in range(2, 12):
        file.append(LINE, [row(number)])
    file.close()
    assert len(opened(recorded)) == 40
    put_in_place(part, recorded)
    assert next(opened(recorded).rows()).row.answer["text"] == " 9"
    listed = shards_of(recorded)
    files = {file for one in listed for file in (one.path(recorded), one.index(recorded))}
    assert {recorded, *files} == set(recorded.parent.iterdir())
    remove_cassette(recorded)
    assert list(recorded.parent.iterdir()) == []


def test_a_recording_with_shards_keeps_others_from_it(recorded: Path, open_file) -> None:
    file = open_file(record=True)
    file.append(LINE, map(row, range(40, 60)))
    script = """\
import sys
from pathlib import Path
from tunebench.cassettes import CassetteFile
file = CassetteFile(Path(sys.argv[1]), experiment="films", recording="m-1shot")
print(len(file))
file.start_recording()
"""
    other = subprocess.run(
        [sys.executable, "-c", script, str(recorded)], capture_output=True, text=True, check=False
    )
    assert other.stdout == "60\n"
    assert "another process is recording this cassette" in other.stderr


def test_a_disk_that_takes_no_shard_keeps_the_rows(
    open_file, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = open_file(record=True)
    with monkeypatch.context() as patched:
        patched.setattr("tunebench.cassettes.store.write_shard", full)
        with pytest.raises(CassetteError, match=r"could not be made a shard \(No space left"):
            file.append(LINE, map(row, range(9)))
    assert file.append(LINE, [row(9)]) == 1
    assert (len(shards_of(path)), numbers(open_file())) == (1, list(range(10)))


def test_a_file_that_is_large_is_left_as_it_is_until_something_is_added(
    open_file, path: Path
) -> None:
    path.parent.mkdir()
    path.write_bytes(written_file(range(20)))
    file = open_file(record=True)
    assert file.append(LINE, map(row, range(20))) == 0
    assert path.read_bytes() == written_file(range(20))
    file.append(LINE, [row(20)])
    assert [one.rows for one in shards_of(path)] == [20]
    assert numbers(open_file()) == list(range(21))


def test_a_recording_keeps_few_bytes_of_a_sealed_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CassetteFile, "shard_bytes", 300_000)

    def kept(rows: int) -> int:
        """The bytes that are still there when so many are recorded."""
        file = opened(tmp_path / str(rows) / "m-1shot.jsonl")
        file.start_recording()
        gc.collect()
        tracemalloc.start()
        for start in range(0, rows, 20):
            numbers = range(start, start + 20)
            file.append(LINE, [row(i)._replace(prompt=text_sha256(str(i))) for i in numbers])
        gc.collect()
        bytes_kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        file.close()
        return bytes_kept

    assert (kept(40_000) - kept(10_000)) / 30_000 < 40
