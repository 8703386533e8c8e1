"""Trajectories as the API answers them: clusters where they stand on a map, and how they hang together."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ribospace.collection.place import home_of

if TYPE_CHECKING:
    from ribospace.web.served import Served

MOST_LABELS = 3


def answer(served: Served, name: str, projection: str) -> dict[str, Any]:
    """Give a trajectory's graph; `name` is one that the space lists.

    Edges, ends and the root are what `ribospace trajectory` kept beside the collection; none, where that is not there
    or is of another run than the clusters shown.
    """
    space = served.space
    points = space.points(projection)
    codes = space.column(f"{name}_cluster")
    labels = list(space.columns[f"{name}_cluster"].labels)
    times = space.column(f"{name}_pseudotime")
    kept = home_of(space.uri) / f"trajectory-{name}.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if known.get("clusters") != {cluster: int((codes == code).sum()) for code, cluster in enumerate(labels, 1)}:
        known = {}  # of another run than the columns
    label = known.get("label", "rna_type")
    said = space.column(label) if label in space.columns and space.columns[label].kind == "category" else None
    names = list(space.columns[label].labels) if said is not None else []
    nodes = []
    for code, cluster in enumerate(labels, 1):
        inside = codes == code
        place = points[inside & np.isfinite(points).all(axis=1)]
        time = times[inside & np.isfinite(times)]
        common = Counter(said[inside & (said > 0)].tolist()).most_common(MOST_LABELS) if said is not None else []
        nodes.append(
            {
                "cluster": cluster, "molecules": int(inside.sum()),
                "pseudotime": round(float(time.mean()), 4) if len(time) else None,
                "terminal": cluster in known.get("terminal_clusters", []),
                "labels": [[names[one - 1], count] for one, count in common],
                "place": np.median(place, axis=0).astype(float).round(5).tolist() if len(place) else None,
            }
        )  # fmt: skip
    row = int(space.rows_of([known["root"]])[0]) if known else -1
    return {
        "name": name,
        "root": {"row": row, "id": known["root"]} if row >= 0 else None,
        "nodes": nodes,
        "edges": known.get("edges", []),
        "note": "" if known else "How the clusters hang together was not kept: run ribospace trajectory once more.",
    }
