"""The picture of the package is that of its import contract."""

from .pages import ROOT, load

house = load("house")


def test_the_picture_in_contributing_is_current():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert house.picture() in page
    assert house.with_picture(page) == page, "draw it again: docs/house.py"


def test_the_picture_has_every_room_with_its_purpose():
    there = {
        path.stem
        for path in (ROOT / "harness/tunebench").iterdir()
        if path.stem != "__init__" and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert {room for floor in house.floors() for room in floor} == there
    for room in there:
        assert len(house.purpose(room).split()) > 2, room
