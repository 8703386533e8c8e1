"""The command that keeps a collection fast: optimize."""

from __future__ import annotations

import dataclasses

from ribospace.cli.output import CollectionAt, Json, progress_bar, say
from ribospace.collection import Collection


def optimize(collection: CollectionAt, as_json: Json = False) -> None:
    """Make a collection fast to read and filter: few files, indexes over its columns, no old versions.

    Worth it after large imports, after many small ones, and after deletions. What it holds, and the order of it, stay.
    """
    from ribospace.collection.upkeep import optimize as keep_up

    store = Collection.open(collection)
    with progress_bar("Optimizing", "steps") as progress:
        done = keep_up(store, progress)
    fresh = [*done.indexed, *done.embeddings_indexed]
    say(
        as_json,
        {"collection": store.uri, **dataclasses.asdict(done)},
        f"{store.uri} is stored in {done.fragments_after:,} fragment{'' if done.fragments_after == 1 else 's'} "
        f"(before: {done.fragments_before:,}) and "
        f"{done.disk_after / 1e6:,.1f} MB (before: {done.disk_before / 1e6:,.1f} MB)",
        f"Indexed {', '.join(fresh)}" if fresh else "The indexes cover every molecule already",
    )
