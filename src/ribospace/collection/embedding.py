"""What a column of vectors says of itself; needs no store."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class EmbeddingInfo:
    """What a collection knows of an embedding column.

    Attributes
    ----------
    column, encoder, revision, pooling
        The column's name; the encoder that made it, its revision (a hash of its weights or options) and its pooling.
    width
        Numbers in a vector.
    location
        What to name to read the encoder again, such as its folder, or "" where its name does.
    """

    column: str
    encoder: str
    revision: str
    pooling: str
    width: int
    location: str = ""

    def metadata(self) -> dict[str, str]:
        """The Arrow field metadata that says this."""
        return {
            "encoder": self.encoder,
            "revision": self.revision,
            "pooling": self.pooling,
            "width": str(self.width),
            "location": self.location,
        }

    @classmethod
    def of(cls, field: pa.Field) -> EmbeddingInfo:
        """What a column of vectors says of itself."""
        said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        return cls(
            column=field.name,
            encoder=said.get("encoder", field.name),
            revision=said.get("revision", ""),
            pooling=said.get("pooling", "given"),
            width=field.type.list_size,
            location=said.get("location", ""),
        )
