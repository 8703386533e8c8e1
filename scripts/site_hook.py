"""MkDocs' hook: what pages link to outside docs/ comes onto the site, with links that lead there.

The pages are written for a checkout, where `../CHANGELOG.md` and `../studies/recipe/results/loss.png` are right. Here
each such file becomes a page or an image under `repository/`, and so does what these and the README link to in turn.
Notebooks, kept without outputs, become pages of prose and code.
"""

import json
import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
DOCS, ELSEWHERE = "docs/", "repository/"
IMAGES = {".png", ".svg"}
LINK = re.compile(r"(\]\()([^)\s#:]+)([)#])")


def place(path: str) -> str:
    """Where a file of the repository stands on the site.

    >>> place("docs/guide.md"), place("docs/a.ipynb"), place("CHANGELOG.md"), place("src/a.py"), place("studies/a.png")
    ('guide.md', 'a.md', 'repository/CHANGELOG.md', 'repository/src/a.py.md', 'repository/studies/a.png')
    """
    if path.startswith(DOCS):
        return re.sub(r"\.ipynb$", ".md", path.removeprefix(DOCS))
    return ELSEWHERE + path + ("" if Path(path).suffix in {".md", *IMAGES} else ".md")


def origin(uri: str) -> str:
    """Where a page of the site stands in the repository: what `place` undoes.

    >>> origin("guide.md"), origin("repository/CHANGELOG.md"), origin("repository/src/a.py.md")
    ('docs/guide.md', 'CHANGELOG.md', 'src/a.py')
    """
    if not uri.startswith(ELSEWHERE):
        return DOCS + uri
    path = uri.removeprefix(ELSEWHERE)
    return path if (ROOT / path).exists() else path.removesuffix(".md")


def linked(path: str, text: str) -> list[str]:
    """The files of the repository, outside docs/, that a page links to."""
    targets = [normpath(join(dirname(path), target)) for _, target, _ in LINK.findall(text)]
    return [target for target in targets if not target.startswith(DOCS) and (ROOT / target).is_file()]


def redirected(path: str, text: str) -> str:
    """A page whose links lead to where things stand on the site; MkDocs reports those that lead nowhere."""

    def there(match: re.Match[str]) -> str:
        target = normpath(join(dirname(path), match[2]))
        if not (ROOT / target).is_file():
            return match[0]
        return match[1] + relpath(place(target), dirname(place(path)) or ".") + match[3]

    return LINK.sub(there, text)


def as_page(path: str) -> str:
    """A text of the repository as Markdown."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    language = {".py": "python", ".toml": "toml", ".sh": "bash"}.get(Path(path).suffix, "text")
    return f"# {path}\n\n```{language}\n{text}```\n"


def notebook_page(path: Path) -> str:
    """A notebook's cells as Markdown, with a way to the notebook itself."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join([*parts, f'<a href="{path.name}" download>This page as a notebook</a>']) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the notebooks' pages, what pages link to, and what that links to."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        page = notebook_page(Path(str(notebook.abs_src_path)))
        files.append(File.generated(config, notebook.src_uri.removesuffix(".ipynb") + ".md", content=page))
    waiting = [(origin(file.src_uri), file.content_string) for file in files.documentation_pages()]
    waiting.append(("README.md", as_page("README.md")))
    known: set[str] = set()
    while waiting:
        for path in linked(*waiting.pop()):
            if path in known:
                continue
            known.add(path)
            if Path(path).suffix in IMAGES:
                files.append(File.generated(config, place(path), abs_src_path=str(ROOT / path)))
                continue
            page = as_page(path)
            files.append(File.generated(config, place(path), content=page, inclusion=InclusionLevel.NOT_IN_NAV))
            waiting.append((path, page))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make its links lead to where things stand."""
    return redirected(origin(page.file.src_uri), markdown)
