"""Ribospace: RNA molecules as points of a space."""

from importlib import metadata

__version__ = metadata.version("ribospace")
