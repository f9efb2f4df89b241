"""The one error that a user may see: what happened, why, and the command that cures it."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path


class UserError(Exception):
    """A mistake that the user can mend. The command line prints its three lines and exits with 2.

    `what` happened, `why`, and the `cure`: a command or an edit that mends it.
    """

    def __init__(self, what: str, why: str, cure: str):
        super().__init__(what)
        self.what, self.why, self.cure = what, why, cure

    def __reduce__(self):
        return (UserError, (self.what, self.why, self.cure))

    def lines(self) -> tuple[str, str, str]:
        return (self.what, self.why, self.cure)


def a_few(names: Sequence[str]) -> str:
    """The first five, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def quoted(path: Path | str) -> str:
    """A path as a shell reads it: cures are copied, and `rm -r` of one with a space would remove something else."""
    return shlex.quote(str(path))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name` but for case, or None where none is near."""
    spelled = {entry.lower(): entry for entry in known}
    found = difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=0.5)
    return spelled[found[0]] if found else None


def unknown(kind: str, name: str, known: Iterable[str], listing: str) -> UserError:
    """The error for a wrong name: suggests the nearest one and the command that lists them all."""
    known = sorted(known)
    near = nearest(name, known)
    why = f"did you mean {near!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return UserError(f"there is no {kind} {name!r}", why, listing)
