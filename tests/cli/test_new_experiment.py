"""The names, paths and values that ``tunebench init`` writes."""

import string
import tomllib
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.cli.init.experiment_files import name_of, path_from, toml_value


@given(st.text() | st.lists(st.text()) | st.integers() | st.booleans())
def test_any_value_comes_back_out_of_the_toml(value):
    assert tomllib.loads(f"value = {toml_value(value)}") == {"value": value}


@given(st.text())
def test_a_name_made_of_any_text_is_a_name_or_nothing(text):
    name = name_of(text)
    assert set(name) <= set(string.ascii_letters + string.digits + "._-")
    assert not name or name[0].isalnum()


@pytest.mark.parametrize(
    ("folder", "file", "path"),
    [
        (PurePosixPath("/r/benchmarks/a"), PurePosixPath("/r/d.csv"), "../../d.csv"),
        (PureWindowsPath(r"C:\r\benchmarks\a"), PureWindowsPath(r"C:\r\x\d.csv"), "../../x/d.csv"),
        (PureWindowsPath(r"C:\r\benchmarks\a"), PureWindowsPath(r"D:\d.csv"), "D:/d.csv"),
    ],
)
def test_the_data_s_path_has_forward_slashes_on_any_system(folder, file, path):
    assert path_from(folder, file) == path
