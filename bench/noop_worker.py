"""A worker process whose runs do nothing, as bench/noop_run.py has them."""

import sys

from bench import noop_run
from repro.launch import worker

if __name__ == "__main__":
    sys.modules["repro.run"] = noop_run
    worker.main()
