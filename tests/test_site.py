"""The site of docs/: all pages in its navigation, built without a warning, nothing fetched from elsewhere; its notebooks."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def in_navigation(part) -> set[str]:
    if isinstance(part, str):
        return {part}
    return set().union(*map(in_navigation, part.values() if isinstance(part, dict) else part))


def test_every_page_is_in_the_navigation():
    said = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).with_suffix(".md").as_posix() for path in [*docs.rglob("*.md"), *NOTEBOOKS]}
    assert {page for page in in_navigation(said["nav"]) if not page.startswith("repository/")} == pages


def test_every_room_has_its_page():
    said = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.md"))
    rooms = {
        path.parent.name if path.name == "__init__.py" else path.stem for path in (ROOT / "src/ribospace").glob("*.py")
    }
    rooms |= {path.parent.name for path in (ROOT / "src/ribospace").glob("*/__init__.py")}
    assert rooms - {"ribospace", "__main__", "cli"} == set(
        re.findall(r"^::: ribospace\.(\w+)$", said, flags=re.MULTILINE)
    )


def test_the_hook_finds_its_way_back():
    spec = importlib.util.spec_from_file_location("site_hook", ROOT / "scripts" / "site_hook.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    for path in ["docs/guide.md", "docs/api/index.md", "CHANGELOG.md", "LICENSE", "studies/ribosome.py"]:
        assert hook.origin(hook.place(path)) == path
    assert hook.redirected("docs/api/index.md", "[a](../../LICENSE)") == "[a](../repository/LICENSE.md)"
    assert hook.redirected("CONTRIBUTING.md", "[a](docs/guide.md#x)") == "[a](../guide.md#x)"
    assert (
        hook.redirected("docs/guide.md", "[a](nowhere.md) [b](https://a.b/c.md)")
        == "[a](nowhere.md) [b](https://a.b/c.md)"
    )


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    loaded = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//")
    for page in (tmp_path / "site").rglob("*.html"):
        assert not loaded.search(page.read_text(encoding="utf-8")), page


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(notebook, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    cells = nbformat.read(notebook, as_version=4)
    NotebookClient(
        cells, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
