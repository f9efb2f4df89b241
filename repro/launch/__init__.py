"""Many processes on one store: on this machine's GPUs or cores, or through Slurm."""
