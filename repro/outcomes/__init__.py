"""What runs left behind, and what can be concluded from it: store, selection, metrics, intervals, comparisons."""
