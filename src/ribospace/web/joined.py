"""The page as one text: modules and style inlined, and a policy that lets nothing else run and nothing out.

Modules keep to what can be joined by lines alone: imports are single lines at the top, exports stand before a
declaration, and no two modules share a top-level name. Joined in the order in which a browser runs them, they mean the
same.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

IMPORT = re.compile(r'^import \{ ([\w$]+(?:, [\w$]+)*),? \} from "(\.\.?/[\w./-]+\.js)";$')
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const)\b)", re.MULTILINE)
DECLARED = re.compile(r"^(export )?(?:async function|function|class|const|let|var)\*? *([\w$]+)", re.MULTILINE)
UNJOINABLE = re.compile(r"^(?:import|export)\b.*|\bimport\s*[(.].*|</script.*|<!--.*", re.MULTILINE | re.IGNORECASE)

STYLE_LINK = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*>')
MODULE_LINK = re.compile(r'<script\b[^>]*\btype="module"[^>]*>\s*</script>')
FETCHED = re.compile(
    r"""<link\b(?![^>]*href="data:,").*|<(?:base|iframe|object|embed)\b.*|<\w+\b[^>]*\s(?:src|srcset)=.*"""
    r"""|@import.*|\burl\(.*"""
)

POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data: blob:; connect-src 'none'; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class Module:
    """A module's text without its imports, what it imports from where, and its top-level names."""

    body: str
    imports: list[tuple[Path, list[str]]]
    names: list[str]
    exported: set[str]


def join_modules(entry: Path) -> str:
    r"""Join a module and all that it imports into the text of one module.

    Parameters
    ----------
    entry
        The module that the page loads.

    Raises
    ------
    ValueError
        If a module breaks the convention; it says which, and where.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "b.js").write_text("export const two = 2;")
    >>> _ = (folder / "a.js").write_text('import { two } from "./b.js";\nconsole.log(two);')
    >>> print(join_modules(folder / "a.js"))
    const two = 2;
    console.log(two);
    """
    modules: dict[Path, Module] = {}
    order: list[Path] = []

    def add(path: Path) -> None:
        if path not in modules:
            modules[path] = _module(path)
            for other, _ in modules[path].imports:
                add(other)
            order.append(path)

    add(entry.resolve())
    owners: dict[str, Path] = {}
    for path in order:
        for name in modules[path].names:
            if name in owners:
                raise ValueError(f"{path.name} and {owners[name].name} cannot be joined: both have {name!r}")
            owners[name] = path
        for other, wanted in modules[path].imports:
            if missing := set(wanted) - modules[other].exported:
                raise ValueError(f"{path.name} imports {', '.join(sorted(missing))}: {other.name} exports no such")
    return "\n".join(EXPORT.sub("", modules[path].body) for path in order)


def _module(path: Path) -> Module:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [(line, IMPORT.match(line)) for line in lines]
    imports = [
        ((path.parent / match[2]).resolve(), [one.strip() for one in match[1].split(",")])
        for _, match in found
        if match
    ]
    body = "\n".join(line for line, match in found if not match).strip("\n")
    if bad := UNJOINABLE.search(EXPORT.sub("", body)):
        raise ValueError(f"{path.name} cannot be joined: {bad[0].strip()[:100]!r}")
    declared = DECLARED.findall(body)
    return Module(body, imports, [name for _, name in declared], {name for export, name in declared if export})


def join_page(index: Path, blocks: str) -> str:
    """Make one HTML of a page, its style sheet, its modules and blocks of data.

    Parameters
    ----------
    index
        The page; it links one style sheet and one module beside it.
    blocks
        What is put before the script, as HTML.

    Raises
    ------
    ValueError
        If the page is not such a page, or would fetch something else.
    """
    page = index.read_text(encoding="utf-8")
    style = _linked(index, STYLE_LINK, "href", page).read_text(encoding="utf-8")
    script = join_modules(_linked(index, MODULE_LINK, "src", page))
    style, script = f"\n{style.strip()}\n", f"\n{script.strip()}\n"
    policy = POLICY.format(script=_hash(script), style=_hash(style))
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    bare = STYLE_LINK.sub("", MODULE_LINK.sub("", page))
    if bad := FETCHED.search(bare) or FETCHED.search(style):
        raise ValueError(f"{index.name} would fetch something else: {bad[0].strip()[:100]!r}")
    page = STYLE_LINK.sub(lambda _: f"{meta}\n<style>{style}</style>", page)
    return MODULE_LINK.sub(lambda _: f'{blocks}\n<script type="module">{script}</script>', page)


def _linked(index: Path, link: re.Pattern[str], attribute: str, page: str) -> Path:
    found = link.findall(page)
    named = re.search(rf'\b{attribute}="(?:[\w./-]*/)?([\w-]+\.\w+)"', found[0]) if len(found) == 1 else None
    if named is None:
        raise ValueError(f"{index.name} has {len(found)} of {link.pattern}, and should have one, of a file beside it")
    return index.parent / named[1]


def _hash(text: str) -> str:
    """What a Content-Security-Policy calls an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
