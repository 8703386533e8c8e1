"""Groups of molecules that are near copies of one another; by MMseqs2 where it is installed, or by a sketch of k-mers.

A group is a connected component: whoever is a near copy of a member is a member. What "near" means is the identity of
`ribospace.clusters.sketch` or of `ribospace.clusters.mmseqs`; both find most pairs at 80 % and more, not all.
"""

from ribospace.clusters.mmseqs import mmseqs_clusters, mmseqs_version
from ribospace.clusters.sketch import LEAST_IDENTITY, Sketch, near_copies, sketch_clusters

__all__ = ["LEAST_IDENTITY", "Sketch", "mmseqs_clusters", "mmseqs_version", "near_copies", "sketch_clusters"]
