"""Sequences in, vectors out: one interface for everything that embeds."""

from ribospace.encoders.base import Encoder
from ribospace.encoders.engine import embed_collection, embed_records
from ribospace.encoders.family import Family
from ribospace.encoders.registry import find_encoder

__all__ = ["Encoder", "Family", "embed_collection", "embed_records", "find_encoder"]
