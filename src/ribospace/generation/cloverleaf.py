"""How well molecules fit a family's covariance model, by Infernal (Nawrocki and Eddy 2013), which runs beside us."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ribospace.errors import UserError
from ribospace.files import existing_file


def installed() -> bool:
    """Whether Infernal's programs are on the PATH."""
    return shutil.which("cmalign") is not None and shutil.which("cmbuild") is not None


def require(model: Path) -> None:
    """Refuse a model that is no .cm and no .sto, is not there, or cannot be used as Infernal is not installed."""
    if existing_file(model).suffix not in (".cm", ".sto", ".stk"):
        raise UserError(f"{model} is no covariance model. Give Infernal's .cm, or an alignment with structure (.sto).")
    if not installed():
        raise UserError(f"{model} needs Infernal, whose cmalign and cmbuild are not on the PATH: apt install infernal")


def bit_scores(sequences: Sequence[str], model: Path) -> npt.NDArray[np.float64]:
    """Bit scores of molecules aligned from end to end with a covariance model (`cmalign -g`).

    Parameters
    ----------
    sequences
        (n,) of A C G U.
    model
        Infernal's .cm, not necessarily calibrated, or a Stockholm alignment with SS_cons, of which `cmbuild` makes one.

    Returns
    -------
    ndarray
        (n,) log-odds in bits beside a random molecule.

    Raises
    ------
    UserError
        If Infernal is not installed, or refuses the model.
    """
    require(model)
    if not sequences:
        return np.zeros(0)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        family = model
        if model.suffix != ".cm":
            family = place / "family.cm"
            _run(["cmbuild", "-F", str(family), str(model.resolve())], model)
        fasta, said = place / "molecules.fasta", place / "scores"
        fasta.write_text("".join(f">{row}\n{one}\n" for row, one in enumerate(sequences)), encoding="utf-8")
        options = [
            "-g",
            "--noprob",
            "--cpu",
            "2",
            "--mxsize",
            "4096",
            "--sfile",
            str(said),
            "-o",
            str(place / "aligned"),
        ]
        _run(["cmalign", *options, str(family.resolve()), str(fasta)], model)
        rows = [line.split() for line in said.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    found = np.full(len(sequences), np.nan)
    for row in rows:  # idx, name, length, from, to, trunc, bits, …
        found[int(row[1])] = float(row[6])
    if np.isnan(found).any():
        raise UserError(f"cmalign gave no score for {int(np.isnan(found).sum())} molecules with {model}.")
    return found


def _run(command: list[str], model: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [one.strip() for one in (done.stderr + done.stdout).splitlines() if one.strip() and one[0] != "#"]
        said = next((one for one in lines if one.startswith("Error")), lines[0] if lines else "no word")
        raise UserError(f"{command[0]} does not take {model}: {said}. Give a .cm, or a .sto with SS_cons.")
