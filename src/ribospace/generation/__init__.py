"""Molecules that did not exist: sampled from a latent space, steered by rewards, and judged."""

#: How loudly type and length are said where nothing else is asked for; 1: as in training.
GUIDANCE = 2.0
