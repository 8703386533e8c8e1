"""The page in a browser, served and as one file: what a user does, and that nothing goes wrong meanwhile.

Screenshots are left in build/screenshots.
"""

import json
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ribospace.analysis.folding import installed
from ribospace.web.atlas import write_atlas
from tests.web.conftest import make_collection

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
AXE = Path(os.environ.get("AXE_CORE", ROOT / "build" / "axe" / "axe.min.js"))
NEW = "ACGUGGCAUUCGACGGAUCCAUGC"


@contextmanager
def serving(store):
    """A server of a collection on a free port of this machine."""
    import uvicorn

    from ribospace.web.app import make_app
    from ribospace.web.served import Served

    made = Served.open(store)
    server = uvicorn.Server(uvicorn.Config(make_app(made), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def served(shared):
    """A server of the shared collection."""
    with serving(shared) as address:
        yield address


@pytest.fixture(scope="module")
def file(shared, tmp_path_factory):
    """The same collection as one file."""
    out = tmp_path_factory.mktemp("file") / "atlas.html"
    write_atlas(shared, out)
    return out.as_uri()


@pytest.fixture
def opened(browser):
    """Open an address; what the browser complains of fails the test at its end."""
    contexts, wrong = [], []

    def open_page(address, **how):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, "bypass_csp": False} | how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda one: wrong.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.goto(address)
        page.wait_for_selector("body.ready", timeout=20_000)
        return page

    yield SimpleNamespace(page=open_page, wrong=wrong)
    for context in contexts:
        context.close()
    assert wrong == []


def shoot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(150)
    page.screenshot(path=SHOTS / f"{name}.png")


def until(page, holds):
    """Wait until JavaScript holds; not by wait_for_function, which needs the eval that the page's policy forbids."""
    for _ in range(200):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not in 10 s: {holds}")


def drag(page, *places):
    box = page.locator("#points").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*at[0])
    page.mouse.down()
    for one in at[1:]:
        page.mouse.move(*one, steps=4)
    page.mouse.up()


def test_a_pasted_sequence_is_placed_among_its_neighbours(served, opened):
    page = opened.page(served)
    shoot(page, "first")
    page.fill("#query", f">mine\n{NEW}")
    page.press("#query", "Enter")
    page.wait_for_selector("#found:not([hidden])")
    assert page.text_content("#found-list h3") == f"mine, {len(NEW)} nt"
    assert page.locator("#found-list .near").count() == 10
    assert page.evaluate("document.querySelector('#found-list').textContent.includes('identical')")
    shoot(page, "search")


def test_words_find_a_molecule_whose_description_stays_text(served, opened):
    page = opened.page(served)
    page.fill("#query", "onerror")
    page.press("#query", "Enter")
    page.wait_for_selector("#card-title")
    assert page.text_content("#card-title") == "URS000075A10E_9606"
    assert page.text_content("#card .description") == '<img src=x onerror="alert(1)">'
    assert page.get_attribute("#card a", "href") == "https://rnacentral.org/rna/URS000075A10E/9606"
    page.wait_for_selector("#near .near")
    assert page.locator("#near .near").count() == 10
    page.click("#tab-selection")
    until(page, "location.hash.includes('t=selection')")
    again = opened.page(page.url)
    assert again.get_attribute("#tab-selection", "aria-selected") == "true"
    assert again.text_content("#card-title") == "URS000075A10E_9606"
    page.click("#tab-molecule")
    if installed():
        page.wait_for_selector("#structure img")
        assert page.evaluate("document.querySelector('#structure img').naturalWidth > 0")
        assert "kcal/mol" in page.text_content("#structure h3")
    shoot(page, "card")
    page.click("#near .near >> nth=0")
    until(page, "document.getElementById('card-title').textContent !== 'URS000075A10E_9606'")


@pytest.mark.parametrize("where", ["served", "file"])
def test_colours_filter_and_the_link_brings_them_back(where, opened, request):
    page = opened.page(request.getfixturevalue(where))
    assert page.text_content("#shown") == "121 molecules"
    page.select_option("#colour", "rna_type")
    page.click("#legend li:has-text('tRNA') .entry")
    assert page.text_content("#shown") == "61 of 121 molecules shown"
    until(page, "location.hash.includes('off=')")
    again = opened.page(page.url)
    assert again.text_content("#shown") == "61 of 121 molecules shown"
    assert again.get_attribute("#legend li:has-text('tRNA') .entry", "aria-pressed") == "false"
    again.click("#legend-all")
    assert again.text_content("#shown") == "121 molecules"
    again.select_option("#colour", "length")
    again.wait_for_selector(".bar")
    again.fill("#legend input >> nth=0", "40")
    again.press("#legend input >> nth=0", "Enter")
    until(again, "document.getElementById('shown').textContent.includes('of 121')")


@pytest.mark.parametrize("where", ["served", "file"])
def test_a_lasso_is_exported_and_kept(where, opened, request, shared):
    page = opened.page(request.getfixturevalue(where))
    page.click("#mode-box")
    drag(page, (0.01, 0.01), (0.99, 0.99))
    page.wait_for_selector("#selection-part:not([hidden])")
    assert page.text_content("#selection-count") == "120 molecules selected"
    shoot(page, f"selection-{where}")
    with page.expect_download() as download:
        page.click("#to-fasta")
    text = Path(download.value.path()).read_text()
    table = shared.table(["id", "sequence"]).to_pylist()[:120]
    assert [line[1:].split()[0] for line in text.splitlines()[::2]] == [one["id"] for one in table]
    assert text.splitlines()[1::2] == [one["sequence"] for one in table]
    with page.expect_download() as download:
        page.click("#to-csv")
    assert len(Path(download.value.path()).read_text().splitlines()) == 121
    page.fill("#list-name", "all of them")
    page.click("#list-form button")
    page.wait_for_selector("#lists button:has-text('all of them (120)')")
    page.click("#select-none")
    assert "Nothing is selected" in page.text_content("#selection-count")
    page.click("#lists button >> nth=0")
    until(page, "document.getElementById('selection-count').textContent === '120 molecules selected'")
    page.click("#tab-molecule")
    page.click("#tab-selection")
    until(page, "location.hash.includes('t=selection')")


def test_the_lasso_takes_what_it_surrounds(served, opened, shared):
    """By brute force over the same pixels: even-odd, in a polygon that crosses itself."""
    page = opened.page(served)
    page.click("#mode-lasso")
    corners = [(0.3, 0.2), (0.7, 0.8), (0.7, 0.2), (0.3, 0.8)]
    drag(page, *corners, corners[0])
    page.wait_for_selector("#selection-part:not([hidden])")
    said = int(page.text_content("#selection-count").split()[0])
    box = page.locator("#points").bounding_box()
    points = shared.embedding("flat")[1]
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 0.92 * min(box["width"] / (high - low)[0], box["height"] / (high - low)[1])
    middle = (low + high) / 2
    x = box["width"] / 2 + (points[:, 0] - middle[0]) * scale
    y = box["height"] / 2 - (points[:, 1] - middle[1]) * scale
    inside = np.zeros(len(points), dtype=bool)
    at = [(a * box["width"], b * box["height"]) for a, b in corners]
    for (ax, ay), (bx, by) in zip(at, at[1:] + at[:1], strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    assert abs(said - int(inside.sum())) <= 1  # the mouse goes by whole pixels
    assert said > 0


def test_a_click_and_a_hover_meet_the_point_that_is_drawn_there(served, opened, shared):
    page = opened.page(served)
    points = shared.embedding("flat")[1]
    alone = int(np.argmax(np.sort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)[:, 1]))
    low, high = points.min(axis=0), points.max(axis=0)
    box = page.locator("#points").bounding_box()
    scale = 0.92 * min(box["width"] / (high - low)[0], box["height"] / (high - low)[1])
    x, y = (points[alone] - (low + high) / 2) * scale
    place = (box["x"] + box["width"] / 2 + float(x), box["y"] + box["height"] / 2 - float(y))
    page.mouse.move(*place)
    page.wait_for_selector("#hover:not([hidden])")
    name = shared.table(["id"])["id"][alone].as_py()
    assert page.text_content("#hover b") == name
    page.mouse.click(*place)
    page.wait_for_selector("#card-title")
    assert page.text_content("#card-title") == name
    before = page.evaluate("location.hash")
    page.focus("#points")
    page.keyboard.press("+")
    until(page, f"location.hash !== {json.dumps(before)}")


def test_a_relation_is_run_and_drawn(served, opened):
    page = opened.page(served)
    page.fill("#query", "m5")
    page.press("#query", "Enter")
    page.click("#found-list .near >> nth=0")
    page.wait_for_selector("#card-title")
    for term in "abc":
        if term != "a":
            page.click("#tab-molecule")
            page.click(f"#near .near >> nth={' bc'.index(term)}")
            page.wait_for_selector("#card h2")
            page.wait_for_selector("#near .near")
        page.click(f"#card button:text-is('{term}')")
    page.click("#equations")
    page.wait_for_selector("#answers .near", timeout=20_000)
    assert "°, p " in page.text_content("#answers .more >> nth=0")
    page.click("#answers summary >> nth=0")
    assert "*" in page.text_content("#answers .alignment >> nth=0")
    shoot(page, "relations")
    page.click("#sum")
    until(page, "document.querySelector('#answers h3').textContent.includes('−')")
    page.click("#tab-trajectory")
    page.select_option("#path", "way")
    page.wait_for_selector("#clusters td")
    page.click("#clusters button >> nth=0")
    page.wait_for_selector("#composition td")
    shoot(page, "clusters")


def test_two_molecules_are_compared_by_head(tmp_path, opened):
    store = make_collection(tmp_path / "molecules", "random")
    with serving(store) as address:
        page = opened.page(address)
        page.fill("#query", "m5")
        page.press("#query", "Enter")
        page.click("#found-list .near >> nth=0")
        page.wait_for_selector("#card-title")
        page.click("#card button:text-is('a')")
        assert page.is_disabled("#by-head")
        page.click("#tab-molecule")
        page.click("#near .near >> nth=0")
        page.wait_for_selector("#near .near")
        page.click("#card button:text-is('b')")
        page.click("#by-head")
        page.wait_for_selector("#answers .heads td", timeout=20_000)
        assert len(page.locator("#answers .heads td").all()) == 12
        assert "by chance 0.6" in page.text_content("#answers .note")
        shoot(page, "heads")


def test_a_model_without_heads_offers_no_comparison(served, opened):
    page = opened.page(served)
    page.click("#tab-relations")
    assert page.is_hidden("#by-head")


def test_the_file_hides_what_needs_a_server(file, opened):
    page = opened.page(file)
    shown = [one for one in page.locator("[role=tab]").all() if one.is_visible()]
    assert [one.text_content() for one in shown] == ["Molecule", "Selection"]
    page.fill("#query", "number 7")
    page.press("#query", "Enter")
    page.wait_for_selector("#found-list .near")
    page.click("#found-list .near >> nth=0")
    page.wait_for_selector("#near .near")
    assert page.locator("#near .near").count() == 10
    page.fill("#query", NEW)
    page.press("#query", "Enter")
    page.wait_for_selector("#found-list p")
    assert "needs a server" in page.text_content("#found-list")
    shoot(page, "file")


def test_a_server_that_is_gone_is_said(served, opened):
    page = opened.page(served)
    page.route("**/api/molecules**", lambda route: route.abort())
    page.fill("#query", "m7")
    page.press("#query", "Enter")
    page.wait_for_selector("#problem:not([hidden])")
    assert "Start ribospace serve again" in page.text_content("#problem")
    assert opened.wrong
    opened.wrong.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_accessible(served, opened, theme):
    """By axe-core: no serious finding, in either theme, with a card, a selection and a search open."""
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}; scripts/browser_for_tests.sh fetches it")
    page = opened.page(served, bypass_csp=True, color_scheme=theme)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = []
    for step in ("", "search", "card", "selection", "clusters", "help"):
        if step == "search":
            page.fill("#query", "molecule number 1")
            page.press("#query", "Enter")
            page.wait_for_selector("#found-list .near")
        elif step == "card":
            page.click("#found-list .near >> nth=0")
            page.wait_for_selector("#near .near")
        elif step == "selection":
            page.click("#found-close")
            page.click("#mode-box")
            drag(page, (0.1, 0.1), (0.9, 0.9))
        elif step == "clusters":
            page.click("#tab-trajectory")
            page.click("#composition-run")
            page.wait_for_selector("#composition td")
        elif step == "help":
            page.click("#help")
        said = page.evaluate("axe.run()")
        found += [
            (step, one["id"], [node["html"][:120] for node in one["nodes"]][:3])
            for one in said["violations"]
            if one["impact"] in ("serious", "critical")
        ]
    assert found == []
    shoot(page, f"help-{theme}")


def test_a_tablet_has_all_of_it(served, opened):
    page = opened.page(served, viewport={"width": 1024, "height": 768}, has_touch=True)
    for one in ("#search", "#legend", "#points", "#tabs"):
        assert page.locator(one).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shoot(page, "tablet")
    small = opened.page(served, viewport={"width": 800, "height": 900}, has_touch=True)
    assert not small.locator("#side").is_visible()
    small.click("#side-toggle")
    assert small.locator("#side").is_visible()
    shoot(small, "small")
