"""The store: molecules and their embeddings in one LanceDB table."""

import os

# Lance keeps two cores for reading and computes on the others, on at least one thread. With a single one, building an
# index can wait for itself for ever: what makes the batches holds the thread that what writes them needs.
os.environ.setdefault("LANCE_CPU_THREADS", str(max(4, os.cpu_count() or 1)))

from ribospace.collection.neighbours import Neighbours
from ribospace.collection.store import Collection, EmbeddingInfo

__all__ = ["Collection", "EmbeddingInfo", "Neighbours"]
