"""Every figure: arrays and tables in, a matplotlib or plotly figure out."""

from ribospace.plots.assessing import assessment_page, distributions_figure, kmer_figure
from ribospace.plots.bases import basis_figure, basis_page
from ribospace.plots.colours import COLOURS
from ribospace.plots.comparing import comparison_figure, kept_figure, report_page
from ribospace.plots.composing import composition_figure
from ribospace.plots.generating import Steered, trade_off_figure
from ribospace.plots.heads import attention_figure, following_figure, profile_figure, seen_figure
from ribospace.plots.judging import MOST_NAMED, calibration_figure, confusion_figure
from ribospace.plots.maps import MARKERS, MOST_GROUPS, groups_of, map_figure, map_page, small_maps_figure
from ribospace.plots.relation_page import Card, relation_page
from ribospace.plots.relations import Drawn, apart, arrows_figure, counts_figure
from ribospace.plots.structures import (
    MOST_DRAWN,
    Structure,
    Values,
    arc_figure,
    circle_figure,
    layout_figure,
    mountain_figure,
    structure_svg,
)
from ribospace.plots.summarizing import MARKED, Spread, summary_figure
from ribospace.plots.trajectories import cluster_graph_figure, stream_figure

__all__ = [
    "COLOURS",
    "MARKED",
    "MARKERS",
    "MOST_DRAWN",
    "MOST_GROUPS",
    "MOST_NAMED",
    "Card",
    "Drawn",
    "Spread",
    "Steered",
    "Structure",
    "Values",
    "apart",
    "arc_figure",
    "arrows_figure",
    "assessment_page",
    "attention_figure",
    "basis_figure",
    "basis_page",
    "calibration_figure",
    "circle_figure",
    "cluster_graph_figure",
    "comparison_figure",
    "composition_figure",
    "confusion_figure",
    "counts_figure",
    "distributions_figure",
    "following_figure",
    "groups_of",
    "kept_figure",
    "kmer_figure",
    "layout_figure",
    "map_figure",
    "map_page",
    "mountain_figure",
    "profile_figure",
    "relation_page",
    "report_page",
    "seen_figure",
    "small_maps_figure",
    "stream_figure",
    "structure_svg",
    "summary_figure",
    "trade_off_figure",
]
