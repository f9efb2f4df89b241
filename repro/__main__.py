"""The program's entry, `repro` and `python -m repro`: even an interruption while it loads ends in one line."""

import codecs
import gc
import io
import os
import signal
import sys

LINE = "interrupted: nothing is lost, the same command continues"


def _leave(number: int, frame: object) -> None:
    """End at once: some of what is loaded swallows a KeyboardInterrupt, or makes another error of it."""
    print(f"\n{LINE}", file=sys.stderr, flush=True)
    os._exit(130)


def _speak_any_script() -> None:
    """Where the locale's encoding lacks signs that tables have: a file or pipe gets UTF-8, a terminal a question mark for each.

    Names of files that are no text in that encoding come out as they are.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            spoken = codecs.lookup(stream.encoding).name == "utf-8"
            stream.reconfigure(
                **({"errors": "replace"} if stream.isatty() and not spoken else {"encoding": "utf-8", "errors": "surrogateescape"})
            )


def main() -> None:
    """Load the command line and run it; see `repro.cli.main` for the exit codes."""
    gc.set_threshold(10_000, 50, 100)  # of what is imported nothing becomes garbage, and looking for it would take a tenth of the start
    _speak_any_script()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # and not ignored, as in the background of a script
        signal.signal(signal.SIGINT, _leave)
    try:
        from repro.cli import main as run

        signal.signal(signal.SIGINT, before)
        run()
    except KeyboardInterrupt:
        print(f"\n{LINE}", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
