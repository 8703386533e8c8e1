"""Secondary structure and composition: the baseline that knows what every textbook knows, and nothing learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ribospace.alphabet import Sequences, Tokens, as_tokens, detokenize, tokenize
from ribospace.batching import cut_windows, pool_windows
from ribospace.encoders.base import Encoder
from ribospace.errors import UserError

#: Longest molecule that is folded whole, nt; energies of pairs further apart are not to be trusted anyway.
WINDOW = 1000
LOOPS = ("hairpins", "bulges", "internal_loops", "multiloops", "stems")
NAMES = (
    *("mfe", "ensemble_energy", "mfe_per_nt", "paired"),
    *LOOPS,
    *("gc", "a", "c", "g", "u", "log_length"),
)


class StructureEncoder(Encoder):
    """Fifteen numbers of a molecule, folded by ViennaRNA at 37 °C with its default parameters.

    ========================  =========================================================================
    `mfe`                     minimum free energy, kcal/mol
    `ensemble_energy`         free energy of the ensemble of all structures, kcal/mol
    `mfe_per_nt`              minimum free energy over the length, kcal/mol/nt
    `paired`                  share of nucleotides that are paired in the structure of minimum free energy
    `hairpins` … `stems`      how many that structure has, see `count_loops`
    `gc`, `a`, `c`, `g`, `u`  share of G and C, and of each base, among all letters
    `log_length`              natural logarithm of the length in nt
    ========================  =========================================================================

    Ambiguity codes are N: they pair with nothing. A molecule of more than 1,000 nt is folded in windows of that length
    that overlap by a quarter; energies, counts and pairs per nucleotide are averaged over windows, and where the number
    is of the whole molecule, multiplied by its length. Numbers have their own units: scale them before comparing.

    Attributes
    ----------
    names
        Of the numbers, in their order.

    Raises
    ------
    UserError
        If ViennaRNA is not installed.
    """

    names = NAMES

    def __init__(self) -> None:
        self.rna = _vienna()
        self.name, self.pooling, self.width, self.piece = "structure", "none", len(NAMES), 32
        self.revision = f"1-viennarna{self.rna.__version__}"

    def encode(self, tokens: Tokens | Sequences) -> npt.NDArray[np.float32]:
        """(n) molecules → (n, 15) float32; see `Encoder.encode`."""
        tokens = as_tokens(tokens)
        windows, molecule = cut_windows(tokens, WINDOW, WINDOW // 4)
        folded = [self._fold(sequence) for sequence in detokenize(windows)]
        per_nt = np.array(folded, dtype=np.float32).reshape(-1, 3 + len(LOOPS))
        per_nt = pool_windows(per_nt, windows.lengths, molecule, len(tokens))
        lengths = tokens.lengths.astype(np.float32)[:, None]
        whole = per_nt * lengths
        paired, loops = per_nt[:, 2:3], np.round(whole[:, 3:], 2)
        shares = _shares(tokens)
        gc = shares[:, 1:2] + shares[:, 2:3]
        size = np.log(np.maximum(lengths, 1))
        return np.hstack([whole[:, :2], per_nt[:, :1], paired, loops, gc, shares, size]).astype(np.float32)

    def _fold(self, sequence: str) -> list[float]:
        """MFE, ensemble energy, paired nucleotides and loops, each per nucleotide."""
        if not sequence:
            return [0.0] * (3 + len(LOOPS))
        model = self.rna.md()
        model.compute_bpp = 0  # the ensemble's energy alone takes half the time
        known = "".join(letter if letter in "ACGU" else "N" for letter in sequence)
        fold = self.rna.fold_compound(known, model)
        structure, mfe = fold.mfe()
        fold.exp_params_rescale(mfe)
        ensemble = fold.pf()[1]
        paired = len(structure) - structure.count(".")
        return [one / len(sequence) for one in (mfe, ensemble, paired, *count_loops(structure).values())]


def count_loops(structure: str) -> dict[str, int]:
    """Count the loops and stems of a structure.

    Parameters
    ----------
    structure
        In dot-bracket notation.

    Returns
    -------
    dict
        `hairpins` (closed by one pair), `bulges` (between two pairs, unpaired on one side), `internal_loops` (on both),
        `multiloops` (three pairs or more) and `stems` (stacks of pairs with nothing unpaired between; a pair alone is
        one). The exterior is no loop.

    Examples
    --------
    >>> count_loops("((.((...))..))")
    {'hairpins': 1, 'bulges': 0, 'internal_loops': 1, 'multiloops': 0, 'stems': 2}
    """
    count = dict.fromkeys(LOOPS, 0)
    open_pairs: list[tuple[int, list[tuple[int, int]]]] = []  # where each opened, and the pairs right inside it
    for end, sign in enumerate(structure):
        if sign == "(":
            open_pairs.append((end, []))
        elif sign == ")":
            start, inner = open_pairs.pop()
            if loop := _loop(start, end, inner):
                count[loop] += 1
                count["stems"] += 1
            if open_pairs:
                open_pairs[-1][1].append((start, end))
    return count


def _loop(start: int, end: int, inner: list[tuple[int, int]]) -> str:
    """Which loop a pair closes; "" where it stacks on the next."""
    if len(inner) != 1:
        return "multiloops" if inner else "hairpins"
    left, right = inner[0][0] - start - 1, end - inner[0][1] - 1
    if left and right:
        return "internal_loops"
    return "bulges" if left or right else ""


def _shares(tokens: Tokens) -> npt.NDArray[np.float32]:
    """(n, 4) float32: share of A, C, G, U among all letters."""
    molecule = np.repeat(np.arange(len(tokens)), tokens.lengths)
    counts = [
        np.bincount(molecule[tokens.ids == base], minlength=len(tokens)) for base in tokenize(["ACGU"]).ids.tolist()
    ]
    return (np.stack(counts, axis=1) / np.maximum(tokens.lengths, 1)[:, None]).astype(np.float32)


def _vienna() -> Any:
    try:
        import RNA
    except ImportError as error:
        raise UserError(
            "The encoder 'structure' needs ViennaRNA, which is not installed: pip install 'ribospace[structure]'."
        ) from error
    return RNA
