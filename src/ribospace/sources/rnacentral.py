"""RNAcentral's answers over HTTP, checked and made into records.

The REST API lists entries by URS, without type or species; EBI Search finds URS_taxid by type, species, length or any
words, without sequences, which the REST API then gives one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from ribospace.errors import UserError, nearest
from ribospace.net.client import Broken
from ribospace.records import RNA_TYPES, clean, md5_of, record_batch

API = "https://rnacentral.org/api/v1"
SEARCH = "https://www.ebi.ac.uk/ebisearch/ws/rest/rnacentral"

_SURROGATE = re.compile("[\ud800-\udfff]")
URS = re.compile(r"^(URS[0-9A-F]{10})(?:_([0-9]{1,9}))?$")


@dataclass(frozen=True)
class Query:
    """Which entries of RNAcentral are wanted; without a type, species or words, all of a length.

    Attributes
    ----------
    rna_types
        INSDC types; any of them.
    taxids
        NCBI taxonomy ids; any of them.
    words
        A query in EBI Search's language.
    min_length, max_length
        nt.
    """

    rna_types: tuple[str, ...] = ()
    taxids: tuple[int, ...] = ()
    words: str = ""
    min_length: int | None = None
    max_length: int | None = None

    def __post_init__(self) -> None:
        for name in self.rna_types:
            if name not in RNA_TYPES:
                raise UserError(f"RNAcentral has no rna_type {name!r}. {nearest(name, RNA_TYPES)}")
        if (self.min_length or 0) > (self.max_length or float("inf")):
            raise UserError(f"No molecule has at least {self.min_length} and at most {self.max_length} nt.")

    @property
    def is_search(self) -> bool:
        """Whether it takes EBI Search; the REST API has no such filter, and ignores what it does not know."""
        return bool(self.rna_types or self.taxids or self.words)

    @property
    def rest(self) -> dict[str, str | int]:
        """The parameters of the REST API.

        Examples
        --------
        >>> Query(min_length=50).rest
        {'min_length': 50}
        """
        limits = {"min_length": self.min_length, "max_length": self.max_length}
        return {name: value for name, value in limits.items() if value is not None}

    @property
    def search(self) -> str:
        """The query in EBI Search's language.

        Examples
        --------
        >>> Query(("tRNA", "rRNA"), (9606,), max_length=200).search
        '(rna_type:"tRNA" OR rna_type:"rRNA") AND taxonomy:"9606" AND length:[0 TO 200]'
        """
        parts = [_any("rna_type", self.rna_types), _any("taxonomy", self.taxids)]
        parts.append(f"({self.words})" if self.words else "")
        if self.rest:
            parts.append(f"length:[{self.min_length or 0} TO {self.max_length or 10_000_000}]")
        return " AND ".join(filter(None, parts))

    @property
    def key(self) -> str:
        """What tells this query from others."""
        return "; ".join(f"{name}={value}" for name, value in asdict(self).items() if value) or "everything"


def _any(name: str, values: Sequence[object]) -> str:
    alternatives = " OR ".join(f'{name}:"{value}"' for value in values)
    return f"({alternatives})" if len(values) > 1 else alternatives


def read_page(body: Any) -> list[dict[str, Any]]:
    """Entries of a page of `rna/`, each checked; the next page is not asked for, as it never says that there is none.

    Raises
    ------
    Broken
        If it is no page, or a sequence does not fit its md5 or length.
    """
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        raise Broken("the answer is no page of entries")
    return [read_entry(one) for one in body["results"]]


def read_entry(body: Any) -> dict[str, Any]:
    """Check an entry and give it its `id`: URS, or URS_taxid where it is one of a species.

    Raises
    ------
    Broken
        If it is no entry, or its sequence does not fit its md5 or length.

    Examples
    --------
    >>> read_entry({"rnacentral_id": "URS0000000001", "sequence": "ACGU", "length": 5, "md5": md5_of("ACGU")})
    Traceback (most recent call last):
        ...
    ribospace.net.client.Broken: the sequence of URS0000000001 has 4 nt in place of 5
    """
    if not isinstance(body, dict) or not URS.match(str(body.get("rnacentral_id"))):
        raise Broken("the answer holds something that is no entry")
    urs, taxid = URS.match(body["rnacentral_id"]).groups()  # type: ignore[union-attr]
    taxid = taxid or body.get("taxid")
    try:
        sequence = clean([str(body.get("sequence") or "")])[0].as_py()
    except UserError as error:
        raise Broken(f"the sequence of {urs} is not RNA ({error})") from error
    if len(sequence) != body.get("length"):
        raise Broken(f"the sequence of {urs} has {len(sequence):,} nt in place of {body.get('length')}")
    if md5_of(sequence) != body.get("md5"):
        raise Broken(f"the sequence of {urs} does not fit its md5")
    name = f"{urs}_{taxid}" if taxid else urs
    return _checked(body, name) | {"id": name, "sequence": sequence, "taxid": _number(taxid, "taxid", name)}


def _checked(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An entry's other fields, if they are of their kinds."""
    texts = {field: body.get(field) for field in ("rna_type", "description", "species")}
    for field, text in texts.items():
        if text is not None and (not isinstance(text, str) or _SURROGATE.search(text)):
            raise Broken(f"the {field} of {name} is no text")
    if _SURROGATE.search(_joined(body.get("distinct_databases")) or ""):
        raise Broken(f"the distinct_databases of {name} are no text")
    return {
        **texts,
        "is_active": body.get("is_active", True),
        "distinct_databases": body.get("distinct_databases"),
        "count_distinct_organisms": _number(body.get("count_distinct_organisms"), "count_distinct_organisms", name),
    }


def _number(value: Any, field: str, name: str) -> int | None:
    if value in (None, ""):
        return None
    said = str(value)
    if len(said) > 10 or not said.isdecimal() or int(said) >= 2**31:
        raise Broken(f"the {field} of {name} is {said[:20]!r}")
    return int(said)


def read_hits(body: Any) -> tuple[int, list[str]]:
    """How many entries EBI Search finds in all, and the ids of this page.

    Raises
    ------
    Broken
        If it is no answer of EBI Search.
    """
    if not isinstance(body, dict) or not isinstance(body.get("entries"), list) or "hitCount" not in body:
        raise Broken("the answer is none of EBI Search's")
    try:
        return int(body["hitCount"]), [str(one["id"]) for one in body["entries"]]
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise Broken("the answer is none of EBI Search's") from error


def records_of(entries: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Make a batch of records of checked entries.

    Returns
    -------
    pa.RecordBatch
        With the further columns `databases` (names, sorted, joined by commas) and `organisms` (int32, how many).
    """

    def column(name: str) -> list[Any]:
        return [one.get(name) for one in entries]

    columns = {
        **{name: column(name) for name in ("rna_type", "description", "taxid", "species")},
        "source": "RNAcentral",
        "databases": pa.array([_joined(one.get("distinct_databases")) for one in entries], pa.string()),
        "organisms": pa.array(column("count_distinct_organisms"), pa.int32()),
    }
    return record_batch(column("id"), column("sequence"), columns, origin="RNAcentral")


def _joined(names: Any) -> str | None:
    if isinstance(names, list):
        return ",".join(sorted(map(str, names))) or None
    return str(names) if names else None
