"""What comes over the network: JSON answers and files."""
