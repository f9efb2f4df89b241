"""Which hosts to ask for a file, and what to say where none of them gave it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from repro.data.fields import without_password
from repro.data.line import TransferError
from repro.data.manifest import File, Mirror
from repro.errors import UserError


def choose_mirrors(file: File, mirror: str | None = None, dataset: str = "NAME") -> tuple[Mirror, ...]:
    """The mirrors to ask, in order. Those with other bytes of the same content are asked only by name, or where there are no others.

    `mirror` is an address, a folder's address ending in "/", or the host of one of the manifest's mirrors. Raises `UserError` for any
    other, and for a file that must be got by hand.
    """
    by_hand = f"obtain it by hand, then: repro data add {dataset} PATH"
    if mirror is None:
        if not file.mirrors:
            raise UserError(f"{file.name} cannot be fetched", "its manifest names no address for it", by_hand)
        return tuple(known for known in file.mirrors if known.identical) or file.mirrors
    without = f"repro data fetch {dataset}; or with a copy of your own: repro data add {dataset} PATH"
    named = tuple(known for known in file.mirrors if mirror in (known.url, urlsplit(known.url).hostname, _host(known)))
    if named:
        return named
    if mirror.lower().startswith(("http://", "https://")):
        try:
            return (Mirror(url=mirror + file.name.rpartition("/")[2] if mirror.endswith("/") else mirror),)
        except ValueError:
            why = "an address has no blank and no control character, names a host, and has a number below 65,536 for its port"
            raise UserError(f"{without_password(mirror)!r} is no address", why, without) from None
    hosts = ", ".join(dict.fromkeys(_host(known) for known in file.mirrors)) or "none"
    raise UserError(
        f"{without_password(mirror)!r} is no mirror of {file.name}",
        f"known: {hosts}; or any http(s) address",
        without if file.mirrors else by_hand,
    )


def is_new_address(file: File, mirror: str) -> bool:
    """Whether `mirror` is the address of one file, and not one that the manifest has for `file`."""
    return choose_mirrors(file, mirror)[0].url == mirror and all(known.url != mirror for known in file.mirrors)


def no_mirror(file: File, dataset: str, failures: Sequence[tuple[Mirror, TransferError]], kept: int) -> UserError:
    """One error for all that the mirrors said; `kept` is how many bytes wait to be resumed."""
    told = "; ".join(dict.fromkeys(f"{_host(mirror)} {error.why}" for mirror, error in failures))
    if all(error.unreachable for _, error in failures):
        told = f"no host could be reached (is this machine on the network?): {told}"
    if kept:
        told += f"; {kept:,} bytes are kept and will be resumed"
    tried = {mirror.url for mirror, _ in failures}
    # By host, for an address is of this file alone, and the dataset may have others that are missing too.
    others = {_host(mirror): mirror.identical for mirror in file.mirrors if mirror.url not in tried}
    cures = [
        f"repro data fetch {dataset} --mirror {host}{'' if identical else ' (other bytes, same content)'}"
        for host, identical in others.items()
    ]
    if any("first complete fetch" in error.why for _, error in failures):
        cures.append(f"to accept what the host has now: repro data remove {dataset}, then fetch again")
    if not cures or kept:
        cures.append(f"later: repro data fetch {dataset}")
    cures.append(f"with a copy of your own: repro data add {dataset} PATH")
    return UserError(f"{file.name} of {dataset} could not be fetched", told, "; or ".join(cures))


def _host(mirror: Mirror) -> str:
    """The host with its port; never a user's name or password."""
    address = urlsplit(mirror.url)
    return f"{address.hostname}:{address.port}" if address.port else address.hostname or mirror.url
