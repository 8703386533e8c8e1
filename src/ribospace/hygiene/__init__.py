"""Hygiene of a collection: each molecule once, splits without near copies across them, balanced samples."""

from ribospace.hygiene.dedupe import Deduped, dedupe
from ribospace.hygiene.sample import Sampled, sample
from ribospace.hygiene.split import SPLITS, SplitPlan, report_file, split

__all__ = ["SPLITS", "Deduped", "Sampled", "SplitPlan", "dedupe", "report_file", "sample", "split"]
