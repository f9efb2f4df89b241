"""The program's entry, `repro` and `python -m repro`: even an interruption while it loads ends in one line."""

import gc
import sys


def main() -> None:
    """Load the command line and run it; see `repro.cli.main` for the exit codes."""
    gc.set_threshold(10_000, 50, 100)  # of what is imported nothing becomes garbage, and looking for it would take a tenth of the start
    try:
        from repro.cli import main as run

        run()
    except KeyboardInterrupt:
        from repro.cli.leaving import LINE

        print(f"\n{LINE}", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
