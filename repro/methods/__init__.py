"""One file per method; found by a folder scan."""
