"""The house: imports point down, heavy packages stay where they belong, import is fast, the public API has manners."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ribospace

SOURCE = Path(ribospace.__file__).parent

#: Every room and its floor; a room imports only from floors below it, or from itself.
FLOORS = {
    "errors": 0, "progress": 0,
    "files": 1, "extras": 1,
    "config": 2, "alphabet": 2, "net": 2,
    "batching": 3, "records": 3, "models": 3, "clusters": 3,
    "sources": 4,
    "collection": 5,
    "training": 6, "encoders": 6, "hygiene": 6, "fetching": 6,
    "analysis": 7, "plots": 7,
    "generation": 8,
    "web": 9,
    "cli": 10,
    "__main__": 11,
}  # fmt: skip
NO_TORCH = (
    "alphabet",
    "records",
    "sources",
    "collection",
    "analysis",
    "plots",
    "errors",
    "files",
    "config",
    "batching",
    "net",
    "clusters",
    "hygiene",
    "fetching",
)
HEAVY = ("torch", "matplotlib", "lancedb", "sklearn", "umap", "pandas", "pyarrow")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module] if node.module != "ribospace" else [f"ribospace.{one.name}" for one in node.names]
        elif isinstance(node, ast.Import):
            names += [one.name for one in node.names]
    return names


MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path):
    room = room_of(path)
    for name in imports_of(path):
        if name.startswith("ribospace."):
            other = name.split(".")[1]
            assert other == room or FLOORS[other] < FLOORS[room], f"{room} imports {name}"
        assert room not in NO_TORCH or name.split(".")[0] != "torch", f"{room} imports torch"


def test_every_room_has_a_floor():
    assert {room_of(path) for path in MODULES} == set(FLOORS)


def test_import_is_light():
    program = "import sys, ribospace; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not set(HEAVY) & set(loaded)


def test_import_takes_under_half_a_second():
    """The one promise of time that is tested: the best of several, and with the interpreter's own start in it."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import ribospace"], check=True)
        best = min(best, time.perf_counter() - began)
    assert best < 0.5


@pytest.mark.parametrize(
    "room", ["analysis.projection", "analysis.evaluation", "analysis.chance", "plots", "collection", "sources.fasta"]
)
def test_rooms_without_torch_stay_without_it(room):
    program = f"import sys, ribospace.{room}; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "False"


def public_things():
    for found in pkgutil.walk_packages([str(SOURCE)], "ribospace."):
        module = importlib.import_module(found.name)
        yield found.name, module
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != found.name:
                continue
            if inspect.isfunction(thing) or inspect.isclass(thing):
                yield f"{found.name}.{name}", thing


def test_everything_public_says_what_it_is():
    silent = [name for name, thing in public_things() if not (thing.__doc__ or "").strip()]
    assert silent == []


def test_everything_public_is_typed():
    for name, thing in public_things():
        if inspect.isfunction(thing):
            signature = inspect.signature(thing)
            assert signature.return_annotation is not inspect.Signature.empty, name
            for parameter in signature.parameters.values():
                assert parameter.annotation is not inspect.Parameter.empty, f"{name}({parameter.name})"


def test_no_pickle_and_no_bare_except():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), path
        assert not {"pickle", "joblib", "dill", "cloudpickle"} & {name.split(".")[0] for name in imports_of(path)}, path


def test_torch_reads_weights_only():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                said = {one.arg: ast.unparse(one.value) for one in node.keywords}
                assert said.get("weights_only") == "True", path
            elif isinstance(node, ast.ImportFrom) and node.module == "torch":
                assert "load" not in {name.name for name in node.names}, path
