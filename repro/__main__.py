"""The program's entry, `repro` and `python -m repro`: even an interruption while it loads ends in one line."""

import sys


def main() -> None:
    """Load the command line and run it; see `repro.cli.main` for the exit codes."""
    try:
        from repro.cli import main as run

        run()
    except KeyboardInterrupt:
        from repro.cli.leaving import LINE

        print(f"\n{LINE}", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
