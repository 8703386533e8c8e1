"""The store: molecules and their embeddings in one LanceDB table.

What only names a place or says what an embedding is does without the store's packages: they are imported with it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ribospace.collection.embedding import EmbeddingInfo
    from ribospace.collection.neighbours import Neighbours
    from ribospace.collection.store import Collection

__all__ = ["Collection", "EmbeddingInfo", "Neighbours"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ribospace.collection import embedding, neighbours, store

    return {
        "Collection": store.Collection,
        "EmbeddingInfo": embedding.EmbeddingInfo,
        "Neighbours": neighbours.Neighbours,
    }[name]
