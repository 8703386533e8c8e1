"""Clusters by MMseqs2 (Steinegger & Söding 2018, doi 10.1038/s41467-018-04964-5), run as a program of its own.

Its identity is that of a local alignment (identical pairs / aligned columns) that covers at least 80 % of both
molecules; it also looks at the reverse strand. `linclust` takes time in proportion to the number of molecules. Of the
options, words of 11 nt and 80 words a molecule find far more pairs of short RNAs than its own (17 nt, 21 words), and
connected components, in place of its star-shaped clusters, keep near copies together.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ribospace.alphabet import Sequences, flat_bytes
from ribospace.errors import UserError, is_disk_full
from ribospace.progress import Progress, silent

Labels: TypeAlias = "npt.NDArray[np.int64]"

COVERAGE = 0.8
OPTIONS = ("--dbtype", "2", "-k", "11", "--kmer-per-seq", "80", "--cluster-mode", "1", "--cov-mode", "0")
_TO_DNA = bytes.maketrans(b"UX", b"TN")


def mmseqs_version() -> str | None:
    """The version of the MMseqs2 on the PATH; None where there is none."""
    if shutil.which("mmseqs") is None:
        return None
    done = subprocess.run(["mmseqs", "version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def mmseqs_clusters(
    sequences: Iterable[Sequences], identity: float, *, threads: int = 1, progress: Progress = silent
) -> Labels:
    """Cluster molecules with MMseqs2, in the memory that it takes itself.

    Parameters
    ----------
    sequences
        Molecules in U, batch by batch.
    identity
        Least identity of two molecules of a cluster that are neighbours in it, 0 to 1.
    threads
        How many it may use.
    progress
        Told of the molecules handed over, then that it runs.

    Returns
    -------
    ndarray
        (n,) int64, the number of the first molecule of the cluster that a molecule is in.

    Raises
    ------
    UserError
        If MMseqs2 is not installed or fails, or the disk is full.
    """
    if shutil.which("mmseqs") is None:
        raise UserError("MMseqs2 is not installed here (apt-get install mmseqs2). Install it, or add --engine sketch.")
    with tempfile.TemporaryDirectory(prefix="ribospace-mmseqs-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            molecules = _write_fasta(sequences, folder / "in.fasta", progress)
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror}. Set TMPDIR to a larger disk.") from error
        if not molecules:
            return np.empty(0, dtype=np.int64)
        chosen = ["--min-seq-id", str(identity), "-c", str(COVERAGE), "--threads", str(threads)]
        places = [str(folder / name) for name in ("in.fasta", "out", "work")]
        _run(["mmseqs", "easy-linclust", *places, *OPTIONS, *chosen], folder, molecules, progress)
        return _read_labels(folder / "out_cluster.tsv", molecules)


def _write_fasta(sequences: Iterable[Sequences], path: Path, progress: Progress) -> int:
    number = 0
    with open(path, "wb") as file:
        for batch in sequences:
            data, offsets = flat_bytes(batch)
            text, ends = data.tobytes().translate(_TO_DNA), offsets.tolist()
            lines = [b">%d\n%b\n" % (number + row, text[ends[row] : ends[row + 1]]) for row in range(len(ends) - 1)]
            file.writelines(lines)
            number += len(lines)
            progress(number, None)
    return number


def _run(command: list[str], folder: Path, molecules: int, progress: Progress) -> None:
    log = folder / "log"
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            while process.poll() is None:
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:
                    progress(molecules, None, "MMseqs2 compares them")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")
        if is_disk_full(RuntimeError(said)):
            raise UserError(f"The disk of {folder.parent} is full. Set TMPDIR to a larger one.")
        lines = [line for line in said.splitlines() if re.search("error|cannot|invalid|not ", line, re.I)]
        reason = lines[0] if lines else f"exit code {process.returncode}"
        raise UserError(f"MMseqs2 failed: {reason.strip()} Add --engine sketch to do without it.")


def _read_labels(path: Path, molecules: int) -> Labels:
    """Each cluster by its first member; a molecule that MMseqs2 left out is one of its own."""
    pairs = np.loadtxt(path, dtype=np.int64, ndmin=2)
    representative = np.arange(molecules)
    representative[pairs[:, 1]] = pairs[:, 0]
    first = np.full(molecules, molecules)
    np.minimum.at(first, representative, np.arange(molecules))
    return first[representative]
