"""Molecules that did not exist: sampled from a latent space, steered by rewards, and judged."""
