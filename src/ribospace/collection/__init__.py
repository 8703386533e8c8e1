"""The store: molecules and their embeddings in one LanceDB folder."""

from ribospace.collection.store import Collection, EmbeddingInfo, Neighbours

__all__ = ["Collection", "EmbeddingInfo", "Neighbours"]
