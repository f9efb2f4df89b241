"""Datasets and weights by manifest: facts about bytes, verified and resumable downloads, safe archives, what is held where."""
