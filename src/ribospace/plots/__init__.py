"""Every figure: arrays and tables in, a matplotlib or plotly figure out."""

from ribospace.plots.colours import COLOURS
from ribospace.plots.comparing import comparison_figure, kept_figure, report_page
from ribospace.plots.judging import MOST_NAMED, calibration_figure, confusion_figure
from ribospace.plots.maps import MARKERS, MOST_GROUPS, groups_of, map_figure, map_page, small_maps_figure

__all__ = [
    "COLOURS",
    "MARKERS",
    "MOST_GROUPS",
    "MOST_NAMED",
    "calibration_figure",
    "comparison_figure",
    "confusion_figure",
    "groups_of",
    "kept_figure",
    "map_figure",
    "map_page",
    "report_page",
    "small_maps_figure",
]
