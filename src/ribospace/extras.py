"""What is not part of the least installation: which extra brings a package that is missing."""

from __future__ import annotations

from ribospace.errors import UserError

#: What each extra brings, by the names that packages are imported by; tests/packaging holds it to pyproject.toml.
EXTRAS = {
    "collection": ("anndata", "lance", "lancedb", "pandas", "platformdirs", "polars", "rapidfuzz", "scipy"),
    "rnacentral": ("ribospace[collection]", "duckdb", "httpx", "tenacity"),
    "maps": ("ribospace[collection]", "faiss", "matplotlib", "numba", "openTSNE", "plotly", "sklearn", "umap"),
    "analysis": ("ribospace[maps]", "ribospace[rnacentral]", "biotite", "threadpoolctl"),
    "train": ("ribospace[collection]", "accelerate", "matplotlib", "sklearn"),
    "generate": ("ribospace[train]", "ribospace[maps]", "diffusers"),
    "hub": ("huggingface_hub",),
    "structure": ("ribospace[collection]", "matplotlib", "RNA"),
    "graph": ("ribospace[train]", "ribospace[maps]", "torch_geometric"),
    "ray": ("ribospace[collection]", "ray"),
    "scanpy": ("ribospace[analysis]", "igraph", "scanpy"),
    "tensorboard": ("ribospace[train]", "tensorboard"),
    "web": ("ribospace[analysis]", "ribospace[generate]", "fastapi", "uvicorn", "starlette", "pydantic", "anyio"),
    "peers": ("ribospace[hub]", "multimolecule", "transformers", "fm"),
    "full": ("ribospace[analysis]", "ribospace[generate]", "ribospace[hub]"),
}


def brought_by(extra: str) -> set[str]:
    """What can be imported with an extra, and with those that it includes.

    Examples
    --------
    >>> "lance" in brought_by("maps"), "duckdb" in brought_by("maps")
    (True, False)
    """
    inner = [one.removeprefix("ribospace[").removesuffix("]") for one in EXTRAS[extra] if one.startswith("ribospace[")]
    return {one for one in EXTRAS[extra] if not one.startswith("ribospace[")}.union(*map(brought_by, inner))


def missing(error: ModuleNotFoundError, what: str, extra: str = "") -> UserError | None:
    """Say which extra to install; None if the package that is missing belongs to none: then it is no user's mistake.

    Parameters
    ----------
    error
        What the import said.
    what
        Who needs the package.
    extra
        The extra that `what` asks for as a whole: named if it brings the package, else the first that does.

    Examples
    --------
    >>> print(missing(ModuleNotFoundError(name="lance.file"), "`ribospace map`", "maps"))
    `ribospace map` needs lance, which is not installed: pip install 'ribospace[maps]' (or 'ribospace[full]').
    """
    package = (error.name or "").split(".")[0]
    for one in (*([extra] if extra else []), *EXTRAS):
        if package in brought_by(one):
            all_of_it = one != "full" and brought_by(one) <= brought_by("full")
            other = " (or 'ribospace[full]')" if all_of_it else ""
            return UserError(f"{what} needs {package}, which is not installed: pip install 'ribospace[{one}]'{other}.")
    return None
