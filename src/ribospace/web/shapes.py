"""What requests and answers of the API look like, with limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: A row's number; a name of a column, map, type, job; an id; letters.
Row = Annotated[int, Field(ge=0, le=2**31 - 1)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Letters = Annotated[str, Field(min_length=1, max_length=100_000)]
Many = Annotated[int, Field(ge=1, le=50)]

MOST_SEQUENCES = 20
MOST_ROWS = 100_000
MOST_GENERATED = 200


class Ask(BaseModel):
    """A request; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid")


class _One(Ask):
    """A request that names a molecule by exactly one of several fields."""

    @model_validator(mode="after")
    def _exactly_one(self) -> _One:
        names = [name for name in ("row", "id", "sequence") if name in type(self).model_fields]
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"give exactly one of {', '.join(names)}")
        return self


class SearchAsk(Ask):
    """Molecules nearest to new sequences: plain letters, or FASTA."""

    query: Annotated[str, Field(min_length=1, max_length=2_000_000)]
    embedding: Name | None = None
    projection: Name | None = None
    k: Many = 10


class Given(Ask):
    """A sequence, and how to call it."""

    id: Name | None = None
    sequence: Letters


class EmbedAsk(Ask):
    """Sequences to be turned into vectors."""

    sequences: Annotated[list[Given], Field(min_length=1, max_length=MOST_SEQUENCES)]
    embedding: Name | None = None


class NeighboursAsk(_One):
    """Neighbours of a molecule of the collection."""

    row: Row | None = None
    id: Name | None = None
    embedding: Name | None = None
    k: Many = 10


class FoldAsk(_One):
    """A molecule to be folded."""

    row: Row | None = None
    id: Name | None = None
    sequence: Letters | None = None


class CompositionAsk(Ask):
    """What molecules are made of: rows, or those of one value of a column."""

    rows: Annotated[list[Row], Field(min_length=1, max_length=MOST_ROWS)] | None = None
    column: Name | None = None
    value: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> CompositionAsk:
        if (self.rows is None) == (self.column is None) or (self.column is None) != (self.value is None):
            raise ValueError("give rows, or column and value")
        return self


class RelationsAsk(Ask):
    """The best equations of a molecule, a = ±b ±c; or what a sum of molecules is nearest to."""

    a: Row | None = None
    plus: Annotated[list[Row], Field(max_length=8)] = []
    minus: Annotated[list[Row], Field(max_length=8)] = []
    embedding: Name | None = None
    best: Annotated[int, Field(ge=1, le=50)] = 10
    permutations: Annotated[int, Field(ge=1, le=100)] = 20

    @model_validator(mode="after")
    def _one_way(self) -> RelationsAsk:
        if (self.a is None) == (not self.plus):
            raise ValueError("give a, or plus (and minus)")
        if self.a is not None and self.minus:
            raise ValueError("minus goes with plus, not with a")
        return self


class HeadsAsk(Ask):
    """Two molecules of the collection, to be compared by attention head."""

    a: Row
    b: Row
    embedding: Name | None = None


class GenerateAsk(Ask):
    """Molecules that are to be made."""

    type: Name | None = None
    shortest: Annotated[int, Field(ge=1, le=10_000)] | None = None
    longest: Annotated[int, Field(ge=1, le=10_000)] | None = None
    reward: Annotated[str, Field(max_length=500)] | None = None
    strength: Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)] = 1.0
    count: Annotated[int, Field(ge=1, le=MOST_GENERATED)] = 20
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0

    @model_validator(mode="after")
    def _in_order(self) -> GenerateAsk:
        if self.shortest and self.longest and self.shortest > self.longest:
            raise ValueError("shortest is longer than longest")
        return self


# ---------------------------------------------------------------- answers


class Refused(BaseModel):
    """Why there is no answer, in one sentence."""

    error: str


class Waiting(BaseModel):
    """Heavy work that waits and that runs."""

    waiting: int
    running: int


class Health(BaseModel):
    """That the server is well, and what it serves."""

    status: Literal["ok"]
    version: str
    collection: str
    molecules: int
    collection_version: int
    uptime_s: float
    jobs: Waiting


class Molecule(BaseModel):
    """A molecule; its sequence where it was asked for by row, and other plain columns under `fields`."""

    row: int
    id: str
    rna_type: str | None
    length: int
    description: str | None
    species: str | None
    taxid: int | None
    sequence: str | None = None
    url: str | None
    fields: dict[str, Any]


class Molecules(BaseModel):
    """Molecules, and how many there are in all."""

    total: int
    molecules: list[Molecule]


class Near(BaseModel):
    """A neighbour: cosine distance (0 to 2) and identity (1 - edits / longer; null where a molecule is too long)."""

    row: int
    id: str
    rna_type: str | None
    length: int
    description: str | None
    distance: float
    identity: float | None


class Neighbourhood(BaseModel):
    """A molecule's neighbours, the nearest first."""

    row: int
    embedding: str
    neighbours: list[Near]


class Placed(BaseModel):
    """A new sequence, where it would stand on the map, and its neighbours."""

    id: str
    length: int
    place: list[float] | None
    neighbours: list[Near]


class Found(BaseModel):
    """New sequences among the collection's."""

    embedding: str
    projection: str | None
    queries: list[Placed]


class Embedded(BaseModel):
    """Vectors of sequences."""

    embedding: str
    width: int
    ids: list[str]
    vectors: list[list[float]]


class Structure(BaseModel):
    """A structure of minimum free energy (kcal/mol), in dots and brackets and as the text of an SVG."""

    structure: str
    mfe: float
    svg: str
    length: int


class Submitted(BaseModel):
    """Where to ask for the result of heavy work."""

    job: str


class Job(BaseModel):
    """How heavy work stands."""

    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    done: int
    total: int | None
    note: str = ""
    place_in_queue: int
    result: dict[str, Any] | None = None
    error: str | None = None
