"""From a question to ordered runs: recipes with provenance, parents, mixtures, what it will cost."""
