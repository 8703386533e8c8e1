"""RNAcentral's id_mapping.tsv.gz as an index on disk: which databases and organisms have a molecule, and of what type.

Its rows go as they come into one DuckDB table. Chunks of molecules are joined with it: a chunk's range of URS numbers
keeps all but a few blocks of a table in the order of URS, as RNAcentral's is, from being read; in another order all are
read, and the answer is the same. Memory is bounded by DuckDB's limit either way.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import filelock
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ribospace.errors import UserError, is_disk_full
from ribospace.files import cannot_write, existing_file, written_whole
from ribospace.progress import Progress, silent

MEMORY = "768MB"
FORMAT = 1

_LOAD = """
CREATE TABLE rows AS SELECT
    CASE WHEN length(urs) = 13 AND starts_with(urs, 'URS') THEN TRY_CAST('0x' || urs[4:] AS BIGINT) END AS urs,
    TRY_CAST(taxid AS INTEGER) AS taxid, rna_type, database
FROM read_csv($file, delim = '\t', header = false, quote = '', escape = '', auto_detect = false, null_padding = true,
    columns = {'urs': 'VARCHAR', 'database': 'VARCHAR', 'external': 'VARCHAR', 'taxid': 'VARCHAR',
               'rna_type': 'VARCHAR', 'gene': 'VARCHAR'})
"""
_FAULTY = """
SELECT rowid + 1 FROM rows WHERE urs IS NULL OR taxid IS NULL OR rna_type IS NULL OR database IS NULL
ORDER BY rowid LIMIT 1
"""
_DATABASES = """
CREATE TABLE databases AS SELECT database, 1::HUGEINT << (row_number() OVER () - 1)::INTEGER AS bit
FROM (SELECT DISTINCT database FROM rows)
"""
MOST_DATABASES = 126
_JOIN = """
WITH asked AS MATERIALIZED (SELECT position, CAST('0x' || hex AS BIGINT) AS urs, own FROM chunk WHERE hex IS NOT NULL),
found AS MATERIALIZED (
    SELECT position, rows.taxid, database, rna_type FROM asked JOIN rows ON rows.urs = asked.urs
    WHERE rows.urs BETWEEN $first AND $last AND (own IS NULL OR rows.taxid = own)),
types AS (
    SELECT position, min_by(rna_type, (-times, rna_type)) AS rna_type
    FROM (SELECT position, rna_type, count(*) AS times FROM found GROUP BY ALL) GROUP BY position),
names AS MATERIALIZED (
    SELECT position, bit_or(bit) AS bits FROM found JOIN databases USING (database) GROUP BY position),
sets AS (
    SELECT bits, string_agg(database, ',' ORDER BY database) AS databases
    FROM (SELECT DISTINCT bits FROM names) JOIN databases ON bits & bit <> 0 GROUP BY bits),
places AS (
    SELECT position, count(*) AS organisms, count(*) FILTER (wanted) AS fitting, min(taxid) FILTER (wanted) AS taxid
    FROM (SELECT DISTINCT position, taxid, len($taxids) = 0 OR list_contains($taxids, taxid) AS wanted FROM found)
    GROUP BY position)
SELECT rna_type, CASE WHEN fitting = 1 THEN taxid END AS taxid, databases, CAST(organisms AS INTEGER) AS organisms,
    fitting > 0 AS wanted
FROM chunk LEFT JOIN types USING (position) LEFT JOIN places USING (position)
    LEFT JOIN names USING (position) LEFT JOIN sets USING (bits)
ORDER BY position
"""
JOINED = pa.schema(
    [
        ("rna_type", pa.string()),
        ("taxid", pa.int32()),
        ("databases", pa.string()),
        ("organisms", pa.int32()),
        ("wanted", pa.bool_()),
    ]
)


class Mapping:
    r"""What RNAcentral's databases say of its molecules; close it, or use it in a `with`.

    Parameters
    ----------
    source
        id_mapping.tsv, also compressed: without a header; URS, database, external id, taxid, rna_type, gene.
    cache
        The folder for the index: made at the first use, made anew when the source has changed.
    progress
        Told of the source's bytes while the index is made.

    Raises
    ------
    UserError
        If the source is missing, damaged or has a row that is not of that kind (it names the first), or the disk is
        full.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> line = "URS000000000A\t{}\tx\t9606\ttRNA\t\n"
    >>> _ = (folder / "id_mapping.tsv").write_text(line.format("GTRNADB") + line.format("ENA"))
    >>> with Mapping(folder / "id_mapping.tsv", folder) as mapping:
    ...     mapping.join(pa.array(["URS000000000A"])).to_pylist()
    [{'rna_type': 'tRNA', 'taxid': 9606, 'databases': 'ENA,GTRNADB', 'organisms': 1, 'wanted': True}]
    """

    def __init__(self, source: Path, cache: Path, progress: Progress = silent) -> None:
        self.path = _index(existing_file(source), cache, progress)
        self._spill = Path(tempfile.mkdtemp(prefix="ribospace-"))
        settings: dict[str, Any] = {"memory_limit": MEMORY, "temp_directory": str(self._spill)}
        self._database = duckdb.connect(str(self.path), read_only=True, config=settings)

    def __enter__(self) -> Mapping:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index."""
        self._database.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    def join(self, ids: pa.StringArray, taxids: Sequence[int] = ()) -> pa.Table:
        """Say what is known of molecules.

        Parameters
        ----------
        ids
            (n,) such as URS000000000A, or URS000000000A_9606, which is joined with the rows of that organism only.
        taxids
            Organisms that are wanted; all if empty.

        Returns
        -------
        pa.Table
            (n rows) rna_type: the most frequent one (the alphabet's first of several); taxid: the only one among the
            wanted, null where there are several; databases: their names, distinct, sorted, with commas between;
            organisms: how many distinct ones; wanted: whether a wanted one is among them. All null where nothing is
            known of a molecule.
        """
        parts = pc.extract_regex(ids, r"^URS(?P<hex>[0-9A-F]{10})(?:_(?P<own>\d{1,9}))?$")
        numbers, own = pc.struct_field(parts, "hex"), pc.struct_field(parts, "own")
        if numbers.null_count == len(ids):
            return JOINED.empty_table().take(pa.nulls(len(ids), pa.int64()))
        ends = pc.min_max(numbers).as_py()
        own = pc.if_else(pc.equal(own, ""), None, own).cast(pa.int32())
        chunk = pa.table({"position": np.arange(len(ids), dtype=np.int32), "hex": numbers, "own": own})
        self._database.register("chunk", chunk)
        given = {"first": int(ends["min"], 16), "last": int(ends["max"], 16), "taxids": list(taxids)}
        return self._database.sql(_JOIN, params=given).to_arrow_table().cast(JOINED)


def _index(source: Path, cache: Path, progress: Progress) -> Path:
    """The index of a source, made now if there is none or it is of an older source."""
    place = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:12]
    path = cache / f"{source.name.split('.')[0]}-{place}.duckdb"
    said = source.stat()
    identity = json.dumps([FORMAT, said.st_size, said.st_mtime_ns])
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", timeout=0):
            if _identity_of(path) != identity:
                for unfinished in cache.glob(f".{path.name}.*"):  # of a run that was killed
                    shutil.rmtree(unfinished, ignore_errors=True)
                with written_whole(path) as beside:
                    _build(source, beside, identity, progress)
    except filelock.Timeout as error:
        raise UserError(f"Another command is indexing {source}. Wait until it ends.") from error
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def _identity_of(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as database:
            return database.sql("SELECT identity FROM made_of").fetchall()[0][0]
    except duckdb.Error:
        return None  # damaged, or of another version of DuckDB


def _build(source: Path, path: Path, identity: str, progress: Progress) -> None:
    settings: dict[str, Any] = {"memory_limit": MEMORY, "temp_directory": str(path.parent / "spill")}
    try:
        with duckdb.connect(str(path), config=settings) as database:
            _load(database, source, progress)
            faulty = database.sql(_FAULTY).fetchall()
            if faulty:
                raise UserError(f"{source}, row {faulty[0][0]:,}: {_WANTED}")
            if not database.sql("SELECT 1 FROM rows LIMIT 1").fetchall():
                raise UserError(f"{source} is empty: it holds no row. Give RNAcentral's id_mapping.tsv.gz.")
            many = database.sql("SELECT count(DISTINCT database) FROM rows").fetchall()[0][0]
            if many > MOST_DATABASES:
                raise UserError(f"{source}, column 2: there are {many:,} databases. Is {_WANTED}")
            database.execute(_DATABASES)
            database.execute("CREATE TABLE made_of AS SELECT $1 AS identity", [identity])
    except duckdb.Error as error:
        if is_disk_full(error):
            raise OSError(28, "No space left on device", str(path)) from error
        line = re.search(r"CSV Error on Line: (\d+)", str(error))
        if line:
            raise UserError(f"{source}, line {int(line[1]):,}: {_WANTED}") from error
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(f"{source} cannot be read as a table: {reason}. Download it again.") from error


_WANTED = (
    "it is not a row of URS, database, external id, taxid, rna_type and gene, with tabs between. "
    "Give RNAcentral's id_mapping.tsv.gz, or --id-mapping none."
)


def _load(database: duckdb.DuckDBPyConnection, source: Path, progress: Progress) -> None:
    """Load the rows, telling how far it is."""
    database.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
    size = source.stat().st_size
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(database.execute, _LOAD, {"file": str(source)})
        try:
            while wait([loading], timeout=0.2).not_done:
                progress(int(max(database.query_progress(), 0) / 100 * size), size)
        except BaseException:
            database.interrupt()
            raise
        loading.result()
