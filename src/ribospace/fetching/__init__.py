"""Crawls that bring molecules from RNAcentral into a collection, and what is known of them."""
