"""The page for people, in Chromium; skipped where none is installed."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES, sample_files

from .calls import UUID, V1, Load

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
BUNDLE = BUNDLES[0]
FILES = sample_files(BUNDLE)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt: chromium)")


@pytest.fixture(scope="module")  # not longer: tests that are asynchronous want the thread's loop
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that nothing goes wrong in, which includes what its policy forbids."""
    faults: list[str] = []
    page = context.new_page()
    page.on("console", lambda said: faults.append(said.text))
    page.on("pageerror", lambda error: faults.append(error.message))
    yield page
    assert [text for text in faults if "Failed to load resource" not in text] == []


def open_at(page: Page, dss: LocalDSS, place: str = "") -> None:
    page.goto(dss.url.removesuffix("/v1") + "/" + place)
    expect(page.locator("main")).to_have_attribute("aria-busy", "false")


def links(page: Page) -> list[str]:
    return page.locator("main li a").all_inner_texts()


def test_from_the_list_to_a_file_and_back(page: Page, sample_dss: LocalDSS) -> None:
    open_at(page, sample_dss)
    assert links(page) == sorted(bundle.uuid for bundle in BUNDLES)
    page.get_by_role("link", name=BUNDLE.uuid).click()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert page.url.endswith(f"#/bundles/{BUNDLE.uuid}.{BUNDLE.version}?replica=aws")
    expect(page.locator("tbody tr")).to_have_count(len(FILES))
    page.go_back()
    expect(page.locator("main li")).to_have_count(len(BUNDLES))
    page.go_forward()
    expect(page).to_have_title(re.compile(BUNDLE.uuid))


def test_a_link_to_a_bundle_shows_it_and_its_files_can_be_had(
    page: Page, sample_dss: LocalDSS
) -> None:
    open_at(page, sample_dss, f"#/bundles/{BUNDLE.uuid}.{BUNDLE.version}")
    name = BUNDLE.read_names[0]
    row = page.get_by_role("row").filter(has_text=name)
    assert row.locator("td").nth(2).get_attribute("title") == f"{len(FILES[name]):,} bytes"
    assert row.locator("td.type").inner_text() == "application/gzip"
    with page.expect_download() as begun:
        row.get_by_role("link").click()
    assert begun.value.suggested_filename == name
    assert begun.value.path().read_bytes() == FILES[name]
    command = f"dss download {BUNDLE.uuid}.{BUNDLE.version} --replica aws"
    assert command in page.locator("pre").first.inner_text()


def test_search_with_the_keyboard_alone(page: Page, sample_dss: LocalDSS) -> None:
    open_at(page, sample_dss)
    page.keyboard.press("Tab")  # to the link of the title
    page.keyboard.press("Tab")
    page.keyboard.type("blood_S1_L001_R1_001.fastq.gz")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("1 bundle in aws")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(len(FILES))


def test_search_by_json_and_by_id_and_what_is_refused(page: Page, sample_dss: LocalDSS) -> None:
    open_at(page, sample_dss)
    page.get_by_text("Search by a query in JSON").click()
    box, run = page.locator("#query"), page.get_by_role("button", name="Run the query")
    box.fill(json.dumps({"query": {"match": {"uuid": BUNDLE.uuid}}}))
    run.click()
    expect(page.locator("main li")).to_have_count(1)
    for text, said in (
        ("{", "This query is not JSON"),
        ('{"query": {"no": {}}}', r"no \[query\] registered.*400 elasticsearch_bad_request"),
    ):
        box.fill(text)
        run.click()
        expect(page.get_by_role("alert")).to_contain_text(re.compile(said))
    words = page.get_by_role("searchbox")
    words.fill("nosuchword")
    words.press("Enter")
    expect(page.locator("main")).to_contain_text("0 bundles in aws")
    words.fill(BUNDLE.uuid.upper())
    words.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(len(FILES))
    words.fill(UUID.replace("0a6f", "ffff"))
    words.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("There is no such bundle")


def test_many_bundles_come_page_by_page(page: Page, dss: LocalDSS, load: Load) -> None:
    for _ in range(51):
        load(dss, {"a.txt": b""})
    open_at(page, dss)
    expect(page.locator("main li")).to_have_count(50)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("main li")).to_have_count(51)
    expect(page.locator("main li a").last).to_be_focused()
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()


def test_names_are_text_whatever_they_hold(page: Page, dss: LocalDSS, load: Load) -> None:
    name = "<img src=x onerror=alert(1)> & 'it'.txt"
    load(dss, {name: b"content"}, UUID, V1)
    open_at(page, dss, f"#/bundles/{UUID}.{V1}")
    with page.expect_download() as begun:
        page.get_by_role("link", name=name).click()
    assert begun.value.suggested_filename == "_img src=x onerror=alert(1)_ & 'it'.txt"  # Chromium's
    assert page.locator("main img").count() == 0


def test_the_replica_with_bundles_is_shown_first(page: Page, dss: LocalDSS, tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    dss.load_bundle(tmp_path, UUID, V1, replica="gcp")
    open_at(page, dss)
    assert links(page) == [UUID]
    expect(page.get_by_role("radio", name="gcp")).to_be_checked()
    page.get_by_role("radio", name="aws").check()
    expect(page.locator("main")).to_contain_text("There is no bundle in aws")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_follows_the_system(
    browser: Browser, sample_dss: LocalDSS, scheme: str
) -> None:
    with browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark" if scheme == "dark" else "light"
    ) as context:
        page = context.new_page()
        for place in (
            "",
            f"#/bundles/{BUNDLE.uuid}",
            "#/search?words=nosuchword",
            "#/bundles/none",
        ):
            open_at(page, sample_dss, place)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_what_to_connect_with_is_copied(context: BrowserContext, page: Page) -> None:
    with LocalDSS(sample=True) as dss:
        open_at(page, dss)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy: In a shell").click()
        expect(page.get_by_role("status")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == f"export DSS_URL={dss.url}"
    page.get_by_role("link", name=BUNDLE.uuid).click()
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer")
