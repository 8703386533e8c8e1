import base64
import hashlib
import re
import shutil
import subprocess

import pytest

from ribospace.web.joined import join_modules, join_page

APP = """import { add, Counter } from "./sums.js";
import { name } from "./panels/name.js";

const counter = new Counter();
document.title = `${name} ${add(1, counter.value)}`;
"""
SUMS = """import { name } from "./panels/name.js";
export function add(a, b) {
  return a + b; // import of goods, export of others
}
export class Counter {
  value = name.length;
}
"""
NAME = 'export const name = "export class";\n'
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<link rel="stylesheet" href="style.css">
<script type="module" src="app.js"></script>
</head><body><p>Hello</p></body></html>
"""


@pytest.fixture
def page(tmp_path):
    """Write a page of three modules; files given take the place of these."""

    def write(**files):
        (tmp_path / "panels").mkdir(exist_ok=True)
        texts = {
            "index.html": PAGE,
            "app.js": APP,
            "sums.js": SUMS,
            "panels/name.js": NAME,
            "style.css": "p { top: 0 }",
        }
        for name, text in {**texts, **{key.replace("_", "."): text for key, text in files.items()}}.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_modules_come_once_and_in_the_order_a_browser_runs_them(page):
    script = join_modules(page() / "app.js")
    assert "import {" not in script
    assert not re.search("^export", script, re.MULTILINE)
    places = [script.index(text) for text in ("const name", "function add", "class Counter", "const counter")]
    assert places == sorted(places)
    assert script.count("const name") == 1


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_takes_the_joined_module(page, tmp_path):
    script = tmp_path / "joined.mjs"
    script.write_text(
        "globalThis.document = {};\n" + join_modules(page() / "app.js") + "\nconsole.log(document.title);"
    )
    subprocess.run(["node", "--check", script], check=True)
    said = subprocess.run(["node", script], check=True, capture_output=True, text=True)
    assert said.stdout == "export class 13\n"


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("export default function f() {}", "export default"),
        ("export { add };", "export {"),
        ('export * from "./name.js";', "export *"),
        ('import * as all from "./sums.js";', "import \\*"),
        ('import { add as sum } from "./sums.js";', "import {"),
        ('import one from "./sums.js";', "import one"),
        ('const late = await import("./name.js");', "import\\("),
        ("const here = import.meta.url;", "import.meta"),
        ("function add() {}", "both have 'add'"),
        ('import { subtract } from "./sums.js";', "exports no such"),
        ('const end = "</script>";', "</script"),
        ('const open = "<!--";', "<!--"),
    ],
)
def test_what_breaks_the_convention_is_refused(page, module, why):
    folder = page(app_js=APP + module)
    with pytest.raises(ValueError, match=why):
        join_modules(folder / "app.js")


def test_the_page_names_what_may_run_by_hash(page):
    html = join_page(page() / "index.html", '<script type="application/json" id="data-space">{}</script>')
    assert "src=" not in html
    assert "href=" not in html
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)[1]
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        text = re.search(rf'<{tag}(?: type="module")?>(.*?)</{tag}>', html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}';" in policy
    assert "connect-src 'none'" in policy
    assert "default-src 'none'" in policy
    assert html.index("Content-Security-Policy") < html.index("<style>")


@pytest.mark.parametrize(
    "more",
    [
        '<img src="https://example.org/x.png">',
        '<link rel="icon" href="icon.svg">',
        '<script src="other.js"></script>',
        '<link rel="stylesheet" href="two.css">',
        '<iframe srcdoc=""></iframe>',
    ],
)
def test_a_page_that_would_fetch_is_refused(page, more):
    with pytest.raises(ValueError, match=r"index\.html"):
        join_page(page(index_html=PAGE.replace("<p>", more + "<p>")) / "index.html", "")


def test_a_style_that_would_fetch_is_refused(page):
    with pytest.raises(ValueError, match="would fetch"):
        join_page(page(style_css="p { background: url(x.png) }") / "index.html", "")
