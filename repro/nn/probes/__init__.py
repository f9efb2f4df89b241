"""Heads for features of a frozen tower."""
