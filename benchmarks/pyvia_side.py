"""The side of a comparison that runs pyVIA, in an environment of its own (it wants numpy < 2): see trajectories.py.

`python pyvia_side.py IN.npz OUT.npz` follows `vectors` from `root` with `k` neighbours, and writes pseudotime, clusters
and which of them are terminal, and seconds. Imports only what pyVIA's environment has.
"""

import contextlib
import os
import resource
import sys
import time

import numpy as np
from pyVIA.core import VIA

if __name__ == "__main__":
    given = np.load(sys.argv[1])
    vectors, root, k = given["vectors"], int(given["root"]), int(given["k"])
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        began = time.perf_counter()
        via = VIA(vectors, ["x"] * len(vectors), knn=k, root_user=[root], random_seed=42, do_compute_embedding=False)
        via.run_VIA()
        seconds = time.perf_counter() - began
    np.savez(
        sys.argv[2],
        pseudotime=np.asarray(via.single_cell_pt_markov, dtype=float),
        clusters=np.asarray(via.labels),
        terminal=np.asarray(via.terminal_clusters),
        seconds=seconds,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    )
