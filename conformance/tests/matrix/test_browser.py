"""The page in a real browser: Debian's chromium, from a file, without a network."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from nova_virt_conformance.matrix.html import render
from nova_virt_conformance.matrix.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nova_virt_conformance.report.model import Report

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const seen = (...colours) => {
  for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value / 255);
};
const light = (rgb) => rgb
  .map((value) => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4)
  .reduce((sum, value, at) => sum + value * [.2126, .7152, .0722][at], 0);
const back = (element) => getComputedStyle(element).backgroundColor;
const behind = (element) => element ? [...behind(element.parentElement), back(element)] : [];
return [...document.querySelectorAll(arguments[0])].filter((element) => element.offsetParent).map((element) => {
  const layers = behind(element);
  const [a, b] = [light(seen(...layers)), light(seen(...layers, getComputedStyle(element).color))].sort();
  return (b + .05) / (a + .05);
});
"""
"""How much the text of the elements stands out, as WCAG reckons it."""


class Page:
    """The matrix in a browser."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser = browser

    def open(self, path: Path, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}  # nothing to wait for
        media = {"features": [{"name": name, "value": value} for name, value in wishes.items()]}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.browser.get(path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def rows(self) -> list[str]:
        found = self.browser.find_elements(By.CSS_SELECTOR, "tr[data-row]")
        return [str(row.get_attribute("data-row")) for row in found if row.is_displayed()]

    def cell(self, row: str, column: int) -> WebElement:
        return self.one(f"tr[data-row='{row}'] button[data-column='{column}']")

    def press(self, *keys: str) -> None:
        self.browser.switch_to.active_element.send_keys(*keys)

    def focused(self) -> tuple[str, int] | None:
        """Row and column of the cell that has the focus."""
        found = self.run(
            "const cell = document.activeElement.closest('td button');"
            "return cell && [cell.closest('tr').dataset.row, Number(cell.dataset.column)]"
        )
        return (found[0], found[1]) if found else None

    def show(self, which: str) -> None:
        self.one(f"input[name=show][value={which}]").click()

    def is_open(self) -> bool:
        return self.one("dialog").is_displayed()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "chromium is not installed; see bindep.txt"
    assert driver, "chromedriver is not installed; see bindep.txt (chromium-driver)"
    home = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (*ARGUMENTS, f"--user-data-dir={home / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver, env={"HOME": str(home), "PATH": "/usr/bin:/bin"})
    browser = webdriver.Chrome(options=options, service=service)
    yield browser
    browser.quit()


@pytest.fixture
def page(browser: webdriver.Chrome) -> Iterator[Page]:
    """After each test: the browser had nothing to complain about, and asked nobody for anything."""
    for log in ("browser", "performance"):
        browser.get_log(log)  # type: ignore[no-untyped-call]
    yield Page(browser)
    said = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert said == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]  # type: ignore[no-untyped-call]
    requests = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    asked = [one["request"]["url"] for one in requests if one["documentURL"].startswith("file:")]  # not the first tab's
    assert asked, "the log of requests is empty, so it shows nothing"
    assert {address.partition(":")[0] for address in asked} <= {"file", "data"}


@pytest.fixture(scope="module")
def matrix(reports: tuple[Report, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "matrix.html"
    path.write_text(render(reports), encoding="utf-8")
    return path


def test_all_rows_are_there_at_first(page: Page, matrix: Path) -> None:
    page.open(matrix)
    assert page.rows() == [row.key for row in ROWS]
    assert page.one("#count").text == f"{len(ROWS)} rows"


def test_a_text_filters_rows_and_what_they_say(page: Page, matrix: Path) -> None:
    page.open(matrix)
    page.press("/")
    page.press("disk bus")
    assert page.rows() == ["disk_bus"]
    assert page.one("#count").text == f"1 of {len(ROWS)} rows"
    assert [heading.text for heading in page.browser.find_elements(By.CSS_SELECTOR, ".group") if heading.text] == [
        "DISKS AND IMAGES"
    ]
    page.one("#text").clear()
    page.one("#text").send_keys("none are defined")
    assert page.rows() == ["extras"]


def test_nothing_found_is_said_and_undone(page: Page, matrix: Path) -> None:
    page.open(matrix)
    page.one("#text").send_keys("zeppelin")
    assert page.rows() == []
    assert page.one("#nothing").is_displayed()
    page.one("#reset").click()
    assert len(page.rows()) == len(ROWS)
    assert page.one("#text").get_attribute("value") == ""


def test_rows_are_filtered_by_state(page: Page, matrix: Path) -> None:
    page.open(matrix)
    expected = {
        "open": ["uefi", "suspend", "listing", "console"],
        "fails": ["suspend"],
        "known_failure": ["uefi"],
        "partly": ["listing"],
        "claimed": ["console"],
        "unavailable": ["extras", "pause", "every_transition"],
    }
    for which, rows in expected.items():
        page.show(which)
        assert page.rows() == rows, which
    page.show("fails")
    assert page.run("return document.querySelectorAll('td.dim').length") == page.run(
        "return document.querySelectorAll('td:not(.state-fails)').length"
    )


def test_differences_are_rows_in_which_drivers_differ(page: Page, reports: tuple[Report, ...], tmp_path: Path) -> None:
    path = tmp_path / "same.html"
    path.write_text(render([reports[0], reports[0]]))
    page.open(path)
    page.show("differences")
    assert page.rows() == []
    path.write_text(render(reports))
    page.open(path)
    page.show("differences")
    assert page.rows() == ["uefi", "extras", "pause", "suspend", "listing", "every_transition", "console"]


def test_the_filter_works_by_keyboard(page: Page, matrix: Path) -> None:
    page.open(matrix)
    page.one("#text").send_keys(
        Keys.TAB,
    )
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.one("input[name=show][value=open]").is_selected()
    assert page.rows() == ["uefi", "suspend", "listing", "console"]


def test_a_cell_opens_the_tests_behind_it(page: Page, matrix: Path, hostile: str) -> None:
    page.open(matrix)
    page.cell("suspend", 2).click()
    assert page.is_open()
    sheet = page.one(".sheet")
    assert "Suspend" in sheet.text
    assert "third-party simulator" in sheet.text
    assert "test_suspend" in sheet.text
    assert page.one(".sheet .outcome").text == "failed"
    assert page.run("return document.querySelector('.sheet pre').textContent") == hostile
    assert page.browser.find_elements(By.CSS_SELECTOR, ".sheet a, .sheet img, .sheet script") == []
    assert page.browser.title == "Support matrix"


def test_a_known_failure_links_to_where_it_is_followed_up(page: Page, matrix: Path) -> None:
    page.open(matrix)
    page.cell("uefi", 1).click()
    assert page.one(".sheet a").get_attribute("href") == "https://example.org/issues/12"


def test_what_went_wrong_is_listed_first_and_trials_are_marked(page: Page, matrix: Path) -> None:
    page.open(matrix)
    page.cell("power", 1).click()
    assert [one.text for one in page.browser.find_elements(By.CSS_SELECTOR, ".outcome")] == ["failed", "passed"]
    assert page.one(".test .trial").text == "on trial, does not count"


def test_cases_of_one_test_that_ended_alike_are_one_entry(page: Page, matrix: Path) -> None:
    page.open(matrix)
    page.cell("destroy", 0).click()
    assert page.one(".sheet h3").text == "The 4 tests behind it"
    assert len(page.browser.find_elements(By.CSS_SELECTOR, ".sheet .test")) == 2
    page.one(".sheet summary").click()
    assert page.one(".sheet details p").text == "paused, running, stopped"


@pytest.mark.parametrize("way", ["escape", "button", "outside"])
def test_details_close_and_give_the_focus_back(page: Page, matrix: Path, way: str) -> None:
    page.open(matrix)
    page.cell("pause", 0).click()
    if way == "escape":
        page.press(Keys.ESCAPE)
    elif way == "button":
        page.one("dialog .close").click()
    else:
        webdriver.ActionChains(page.browser).move_by_offset(5, 5).click().perform()
    assert not page.is_open()
    assert page.focused() == ("pause", 0)


def test_cells_are_walked_by_arrow_keys(page: Page, matrix: Path) -> None:
    page.open(matrix)
    page.one("input[name=show][value=all]").send_keys(Keys.TAB)
    walk = [
        (None, ("spawn", 0)),
        (Keys.ARROW_RIGHT, ("spawn", 1)),
        (Keys.ARROW_DOWN, ("destroy", 1)),
        (Keys.END, ("destroy", 2)),
        (Keys.ARROW_RIGHT, ("destroy", 2)),
        (Keys.HOME, ("destroy", 0)),
        (Keys.ARROW_UP, ("spawn", 0)),
        (Keys.ARROW_UP, ("spawn", 0)),
    ]
    for key, place in walk:
        if key:
            page.press(key)
        assert page.focused() == place
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press(Keys.ENTER)
    assert page.is_open()
    assert "test_destroy" not in page.one(".sheet").text
    page.press(Keys.ESCAPE)
    assert page.focused() == ("spawn", 0)


def test_the_walk_leaves_out_rows_that_are_filtered_away(page: Page, matrix: Path) -> None:
    page.open(matrix)
    page.show("open")
    page.press(Keys.TAB)
    assert page.focused() == ("uefi", 0)
    page.press(Keys.ARROW_DOWN)
    assert page.focused() == ("suspend", 0)


def test_one_tab_stop_leads_into_the_table_and_one_out(page: Page, matrix: Path) -> None:
    page.open(matrix)
    assert len(page.browser.find_elements(By.CSS_SELECTOR, "td button[tabindex='0']")) == 1


def test_a_run_tells_why_a_profile_was_missed(page: Page, matrix: Path) -> None:
    page.open(matrix)
    page.one(".driver:nth-child(2) .next button").click()
    text = page.one(".sheet").text
    assert "Core: not reached" in text
    assert "listing: test_hung not verified: the rig has no hang()" in text
    assert "libvirtd without KVM" in text


@pytest.mark.parametrize("width", [320, 360, 703, 768, 1280, 1920])
@pytest.mark.parametrize("columns", [1, 3, 9])
def test_no_width_makes_the_page_scroll_sideways(
    page: Page, reports: tuple[Report, ...], tmp_path: Path, width: int, columns: int
) -> None:
    path = tmp_path / "matrix.html"
    path.write_text(render((reports * 3)[:columns]))
    page.open(path, width=width)
    assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.cell("suspend", columns - 1).click()
    assert page.run("return document.querySelector('dialog').getBoundingClientRect().left") >= 0
    assert page.run("const d = document.querySelector('dialog'); return d.scrollWidth <= d.clientWidth")


def test_on_a_narrow_screen_every_cell_is_whole_and_names_its_driver(page: Page, matrix: Path) -> None:
    page.open(matrix, width=360)
    sides = page.run(
        "return [...document.querySelectorAll('td button')]"
        ".map((cell) => cell.getBoundingClientRect()).map((box) => [box.left, box.right])"
    )
    assert all(left >= 0 and right <= 360 for left, right in sides)
    assert page.run("return getComputedStyle(document.querySelector('td'), '::before').content") == '"fake"'


@pytest.mark.parametrize("columns", [3, 9])
def test_drivers_and_rows_stay_in_sight_while_scrolling(
    page: Page, reports: tuple[Report, ...], tmp_path: Path, columns: int
) -> None:
    path = tmp_path / "matrix.html"
    path.write_text(render((reports * 3)[:columns]))
    page.open(path)
    cell = page.cell("isolation", columns - 1)
    page.run("arguments[0].focus(); arguments[0].scrollIntoView({ block: 'center', inline: 'center' })", cell)
    head, title = page.one("thead th:last-child .name"), page.one("tr[data-row=isolation] .title")
    for element in (head, title, cell):
        inside = page.run(
            "const r = arguments[0].getBoundingClientRect();"
            "return r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight && r.right <= innerWidth"
            " && arguments[0].contains(document.elementFromPoint(r.left + 2, r.top + r.height / 2))",
            element,
        )
        assert inside, element.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(page: Page, matrix: Path, scheme: str) -> None:
    page.open(matrix, scheme=scheme)
    background = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(18, 21, 28)") == (scheme == "dark")
    for selector in ("td .word", "td .note", ".sentence", ".title", ".driver p", ".filter label span", "thead span"):
        ratios = page.run(CONTRAST, selector)
        assert ratios, selector
        assert min(ratios) >= 4.5, selector


def test_a_state_never_shows_by_its_colour_alone(page: Page, matrix: Path) -> None:
    page.open(matrix)
    shapes = page.run(
        "return [...document.querySelectorAll('td button')].map((b) =>"
        " [b.dataset.state, b.querySelector('use').getAttribute('href'), b.querySelector('.word').textContent])"
    )
    by_state = {state: (shape, word) for state, shape, word in shapes}
    assert len(set(by_state.values())) == len(by_state)
    assert all(by_state[state] == (shape, word) and word for state, shape, word in shapes)
    assert page.run("return [...document.querySelectorAll('td use')].every((u) => u.getBBox().width > 0)")


def test_one_report_makes_a_page_of_its_own(page: Page, reports: tuple[Report, ...], tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_text(render(reports[:1]))
    page.open(path)
    assert page.browser.title == "Conformance of fake"
    assert page.browser.find_elements(By.CSS_SELECTOR, "input[value=differences]") == []
