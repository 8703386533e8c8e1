"""Take the two pictures of the atlas that the README has: python scripts/atlas_pictures.py.

The shipped sample with vectors of `mini`, a stored UMAP map and a trajectory of the tRNAs is made in a temporary
folder, served, and opened in Chromium (playwright; `CHROMIUM` names another program). About two minutes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, sync_playwright

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
PORT = "8790"
MADE = (
    "import sample --to sample",
    "embed sample --model mini",
    "map sample --model mini --method umap --store",
    "trajectory sample --model mini --root \"description LIKE '%tRNA-Phe%'\" --where \"rna_type = 'tRNA'\" --out path",
)


def main() -> None:
    """Make the sample, serve it, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=IMAGES)
    to = parser.parse_args().to.resolve()
    program = (sys.executable, "-m", "ribospace")
    with tempfile.TemporaryDirectory() as folder:
        for line in MADE:
            subprocess.run([*program, *shlex.split(line)], cwd=folder, check=True)
        options = ("--generator", "mini-diffusion", "--port", PORT)
        server = subprocess.Popen([*program, "serve", "sample", *options], cwd=folder)
        try:
            with sync_playwright() as playwright:
                drawing = ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]
                chromium = playwright.chromium.launch(
                    executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=drawing
                )
                card(opened(chromium, "light"), to / "atlas.png")
                clusters(opened(chromium, "dark"), to / "atlas_dark.png")
                chromium.close()
        finally:
            server.terminate()
            server.wait()


def opened(chromium: Any, theme: str) -> Any:
    """The page in a window of 1280 by 720, when all points are drawn."""
    page = chromium.new_page(viewport={"width": 1280, "height": 720}, color_scheme=theme)
    for _ in range(60):
        try:
            page.goto(f"http://127.0.0.1:{PORT}/")
            break
        except Error:  # the server is not up yet
            page.wait_for_timeout(1000)
    page.wait_for_selector("body.ready")
    return page


def card(page: Any, path: Path) -> None:
    """A molecule's card."""
    page.fill("#query", "tRNA-Phe")
    page.press("#query", "Enter")
    page.click("#found-list .near >> nth=0")
    page.wait_for_selector("#card img", timeout=60_000)
    page.click("#found-close")
    page.locator("#card h3").first.scroll_into_view_if_needed()
    page.locator("#card button:text-is('a')").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    page.screenshot(path=path)


def clusters(page: Any, path: Path) -> None:
    """Generated molecules, and a trajectory's clusters."""
    page.click("#tab-generate")
    page.fill("#g-count", "12")
    page.click("#generate-form button")
    page.wait_for_selector("#generated li", timeout=180_000)
    page.click("#tab-trajectory")
    page.select_option("#path", label="trajectory")
    page.wait_for_selector("#clusters button")
    page.select_option("#colour", label="trajectory pseudotime")
    page.wait_for_timeout(1000)
    page.screenshot(path=path)


if __name__ == "__main__":
    main()
