"""The store: molecules and their embeddings in one LanceDB table."""

from ribospace.collection.neighbours import Neighbours
from ribospace.collection.store import Collection, EmbeddingInfo

__all__ = ["Collection", "EmbeddingInfo", "Neighbours"]
