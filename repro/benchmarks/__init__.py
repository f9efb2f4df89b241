"""One file per benchmark; found by a folder scan."""
