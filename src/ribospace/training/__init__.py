"""Training: data and its split, objectives, metrics, and the loop."""
