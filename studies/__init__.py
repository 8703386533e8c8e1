"""Experiments, each a TOML, one command and a table of results: see README.md."""
