"""Before a run: the machine, the folders, the hosts, and what is missing on disk."""
