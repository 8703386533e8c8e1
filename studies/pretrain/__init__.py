"""The shipped weights: their molecules, their recipes, and how they come into the package."""
