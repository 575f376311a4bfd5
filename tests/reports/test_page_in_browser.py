"""The page in a real browser: Chromium, with its driver, as distributions package them.

Accessibility is checked where the variable AXE_CORE names the file axe.min.js of axe-core.
"""

import json
import os
import shutil
from itertools import combinations
from pathlib import Path

import pytest

from tunebench.reports import Results, checked
from tunebench.reports.page import write_report

from .made_results import LABELS, answered, cell, document, experiment, imdb_like, many

pytestmark = pytest.mark.browser
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WAIT = 120
WHOLE = "movie-reviews/"


def start(scripts=True):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if not scripts:
        settings = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", settings)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(WAIT)
    driver.set_script_timeout(WAIT)
    return driver


@pytest.fixture(scope="module")
def driver():
    pytest.importorskip("selenium", reason="the extra browser is not installed")
    if not BROWSER or not DRIVER:
        pytest.skip("there is no Chromium with its driver on this machine")
    driver = start()
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages by name, as addresses."""
    folder = tmp_path_factory.mktemp("pages")
    truth = [0, 0, 1, 1]
    first = cell("tiny", 4, truth=truth, predictions=[0, 1, None, 1])
    second = cell("tiny", 4, truth=truth, size=300, predictions=[0, 0, 1, 1])
    named = experiment(4, label_ids=truth, majority_rate=0.5)
    texts = {f"{WHOLE}{number:05}": f"text number {number}" for number in range(4)}
    texts |= {f"{WHOLE}{number:05}": f"{number} is long 🎬 " * 30 for number in range(4, 60)}
    results = {
        "few": (document([first, second], experiments=[named]), None),
        "texts": (document([first, second], experiments=[named]), texts),
        "older": (imdb_like(30), None),
        "whole": (answered(60), texts),
        "many": (many(50, 20, 300), None),
    }
    for name, (made, given) in results.items():
        write_report(checked(Results, made), folder / f"{name}.html", texts=given)
    return {name: (folder / f"{name}.html").as_uri() for name in results}


def find(driver, selector):
    return driver.find_element("css selector", selector)


def rows(driver):
    """The items that are shown."""
    return driver.execute_script(
        "return [...document.querySelectorAll('.answers tbody th')]"
        ".map((th) => th.firstChild.textContent.slice(-1))"
    )


def choose(driver, name, text):
    from selenium.webdriver.support.ui import Select

    Select(find(driver, f"[name={name}]")).select_by_visible_text(text)


def counted(driver):
    return find(driver, ".count").text


def test_it_opens_without_a_complaint_and_asks_nobody(driver, pages):
    driver.get("about:blank")
    for log in ("browser", "performance"):  # reading one empties it
        driver.get_log(log)
    driver.get(pages["whole"])
    assert driver.get_log("browser") == []
    logged = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        entry["params"]["request"]["url"]
        for entry in logged
        if entry["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in asked if not url.startswith("data:")} == {pages["whole"]}
    assert driver.title == "What works best on imdb?"


def test_the_script_shows_what_the_page_shows_without_it(driver, pages):
    without = start(scripts=False)
    try:
        for name in ("few", "texts", "whole"):
            driver.get(pages[name])
            without.get(pages[name])
            assert find(driver, "form").is_displayed()
            assert not find(without, "form").is_displayed()
            with_script, plain = (
                [one.text for one in page.find_elements("css selector", ".answers :is(th, td)")]
                for page in (driver, without)
            )
            assert with_script == plain
            assert find(driver, ".scroll.tall").is_displayed()
        without.get(pages["many"])
        assert "the first 100 of 300 items" in find(without, "noscript").text
    finally:
        without.quit()


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        ({}, "0123"),
        ({"label": LABELS[1]}, "23"),
        ({"cell": "tiny-0shot", "mark": "right"}, "03"),
        ({"cell": "tiny-0shot", "mark": "wrong"}, "1"),
        ({"cell": "tiny-0shot", "mark": "no label"}, "2"),
        ({"mark": "wrong"}, "1"),
        ({"cell": "tiny-0shot", "other": "tiny-ft300"}, "12"),
        ({"cell": "tiny-0shot", "mark": "wrong", "other": "tiny-ft300"}, "1"),
        ({"cell": "tiny-ft300", "mark": "wrong"}, ""),
        ({"order": "hardest first"}, "1203"),
    ],
)
def test_filters(driver, pages, chosen, shown):
    driver.get(pages["few"])
    for name, text in chosen.items():
        choose(driver, name, text)
    assert "".join(rows(driver)) == shown
    assert counted(driver) == ("4 items" if len(shown) == 4 else f"{len(shown)} of 4 items")
    find(driver, "[type=reset]").click()
    driver.execute_async_script("setTimeout(arguments[0], 50)")
    assert "".join(rows(driver)) == "0123"


def test_items_are_found_by_id_and_by_text(driver, pages):
    driver.get(pages["few"])
    find(driver, "[name=find]").send_keys("00002")
    assert rows(driver) == ["2"]
    driver.get(pages["texts"])
    find(driver, "[name=find]").send_keys("NUMBER 3")
    assert rows(driver) == ["3"]


def test_only_the_cells_chosen_can_be_shown(driver, pages):
    driver.get(pages["few"])
    choose(driver, "cell", "tiny-ft300")
    choose(driver, "columns", "the cells chosen")
    headings = driver.find_elements("css selector", ".answers thead tr:last-child th")
    assert [heading.text for heading in headings] == ["ft300"]
    assert counted(driver) == "4 items, 1 of 2 cells as columns"


def test_a_thousand_cells_stay_usable(driver, pages):
    driver.get(pages["many"])
    from selenium.webdriver.support.ui import WebDriverWait

    # A busy browser may be asked before it has drawn all.
    WebDriverWait(driver, 60).until(lambda driver: len(rows(driver)) == 200)
    assert counted(driver) == "300 items, 20 of 1,000 cells as columns"
    find(driver, ".more button").click()
    assert len(rows(driver)) == 300
    choose(driver, "columns", "model-49")
    heading = find(driver, ".answers th[scope=colgroup]")
    assert heading.text == "model-49"
    assert heading.get_attribute("colspan") == "20"
    took = driver.execute_script(
        "const before = performance.now();"
        "document.querySelector('[name=find]').dispatchEvent(new Event('input', {bubbles: true}));"
        "return performance.now() - before"
    )
    assert took < 10_000, "redrawing must not hang, not even on a busy machine"


SIZES = [(1280, 800), (390, 844)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_badge_and_the_chart_are_on_the_first_screen(driver, pages, width, height):
    look(driver, "light", width, height)
    driver.get(pages["whole"])
    for selector in (".badge", ".hero .legend", ".hero .plot"):
        box = find(driver, selector).rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
        assert box["height"] > 0
    ends = driver.execute_script(
        "return [...document.querySelectorAll('.hero .plot *')]"
        ".map((e) => e.getBoundingClientRect()).map((b) => [b.left, b.right, b.bottom])"
    )
    assert len(ends) > 40
    assert min(left for left, _, _ in ends) >= 0
    assert max(right for _, right, _ in ends) <= width
    assert max(bottom for *_, bottom in ends) <= height


def test_the_chart_reaches_the_right_third_of_a_wide_page(driver, pages):
    look(driver, "light", 1280)
    driver.get(pages["whole"])
    for plot in driver.find_elements("css selector", ".rows, section > .split > figure .plot"):
        assert plot.rect["x"] + plot.rect["width"] > 1100


@pytest.mark.parametrize("width", [320, 390, 1000, 1280])
def test_no_texts_of_charts_overlap_or_leave_the_page(driver, pages, width):
    look(driver, "light", width)
    driver.get(pages["whole"])
    driver.execute_script("document.querySelectorAll('details').forEach((e) => { e.open = true })")
    charts = driver.execute_script(
        "return [...document.querySelectorAll('.plot, .legend')].map((chart) =>"
        " [...chart.querySelectorAll('text, li')].map((text) => {"
        "  const box = text.getBoundingClientRect();"
        "  return [text.textContent, box.left, box.right, box.top, box.bottom] }))"
    )
    assert len(charts) > 8
    for boxes in charts:
        for text, left, right, _, _ in boxes:
            assert -1 <= left < right <= width + 1, text
        for (one, *first), (other, *second) in combinations(boxes, 2):
            aside = first[0] >= second[1] or second[0] >= first[1]
            # A pixel of a line's box is above the letters.
            above = first[2] >= second[3] - 1 or second[2] >= first[3] - 1
            assert aside or above, (one, other)


def test_print_has_no_form_nothing_cut_off_and_a_badge_without_its_background(driver, pages):
    look(driver, "light", 718)
    driver.get(pages["whole"])
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not find(driver, "nav").is_displayed()
        assert not find(driver, "form").is_displayed()
        colour, cut = driver.execute_script(
            "return [getComputedStyle(document.querySelector('.badge')).backgroundColor,"
            " [...document.querySelectorAll('.scroll')].filter("
            "(e) => getComputedStyle(e).overflowX !== 'visible').length]"
        )
        assert colour == "rgba(0, 0, 0, 0)"
        assert cut == 0
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_link_to_a_folded_section_opens_it(driver, pages):
    driver.get(pages["whole"])
    table = find(driver, ".provenance table")
    assert not table.is_displayed()
    driver.execute_script("document.querySelector('[href$=-provenance]').click()")
    driver.execute_async_script("setTimeout(arguments[0], 100)")
    assert table.is_displayed()


def test_the_items_begin_with_the_errors_of_the_chosen_option(driver, pages):
    driver.get(pages["whole"])
    cell = find(driver, "[name=cell] option:checked").text
    marks = driver.find_elements("css selector", ".answers tbody tr > td:nth-of-type(3)")
    assert "-ft" in cell
    assert marks
    assert {mark.get_attribute("class") for mark in marks} == {"wrong"}
    choose(driver, "mark", "anything")
    assert counted(driver).startswith("60 items, ")


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["whole", "older"])
def test_it_fits_its_window_in_both_schemes(driver, pages, name, width, scheme):
    look(driver, scheme, width)
    driver.get(pages[name])
    driver.execute_script("document.querySelectorAll('details').forEach((e) => { e.open = true })")
    inner, content = driver.execute_script(
        "return [innerWidth, document.documentElement.scrollWidth]"
    )
    assert inner == width
    assert content <= width
    ink, page, drawn = driver.execute_script(
        "const seen = (e, name) => getComputedStyle(e)[name];"
        "return [seen(document.body, 'color'), seen(document.body, 'backgroundColor'),"
        " [...document.querySelectorAll('svg text')].map((e) => seen(e, 'fill'))]"
    )
    assert ink in drawn
    assert page not in drawn
    bright = [sum(map(int, colour[4:-1].split(","))) > 382 for colour in (ink, page)]
    assert bright == ([True, False] if scheme == "dark" else [False, True])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(driver, pages, scheme, width):
    if not os.environ.get("AXE_CORE"):
        pytest.skip("AXE_CORE names no axe.min.js")
    look(driver, scheme, width)
    driver.get(pages["whole"])
    driver.execute_script("document.querySelectorAll('details').forEach((e) => { e.open = true })")
    driver.execute_script(Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8"))
    found = driver.execute_async_script(
        "const done = arguments[0];"
        "axe.run().then((r) => done(r.violations.map("
        "(v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))])))"
    )
    assert found == []


def look(driver, scheme, width, height=900):
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
