"""Colours that every figure has."""

#: Okabe and Ito's colours (jfly.uni-koeln.de/color), told apart with every common colour blindness.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#B5A800")
