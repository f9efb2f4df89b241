"""One conversation with one host: ask for the rest of a file, judge the answer, and add the bytes to the part."""

from __future__ import annotations

import email.utils
import os
import re
import time
from urllib.parse import urlsplit

import requests
import urllib3

from repro import __version__
from repro.data.fields import without_password
from repro.data.line import Line, Patience, Stopped, TransferError
from repro.data.manifest import File, Mirror
from repro.data.part import Origin, Part
from repro.data.receipt import BUFFER, has_hash
from repro.paths import require_space

OVERLAP = 64 << 10  # bytes asked for again on resume and compared, so that another file is noticed before it is spliced on
SLOWEST = 1 << 10  # bytes per second; a host that drips less than this over a whole read timeout counts as stalled
NUMBER = "[0-9]{1,18}"  # of a header; Python takes other digits, such as ², and refuses numbers of thousands of digits
TOKEN_HOSTS = ("huggingface.co",)


class HubToken(requests.auth.AuthBase):
    """Sends `HF_TOKEN` to its own hosts over https only; requests drops it on a redirect to any other host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {os.environ['HF_TOKEN']}"
        return request


def token_for(url: str) -> HubToken | None:
    """The token that `url`'s host may see, if there is one in the environment."""
    address = urlsplit(url)
    allowed = address.scheme == "https" and address.hostname in TOKEN_HOSTS
    return HubToken() if allowed and os.environ.get("HF_TOKEN") else None


def transfer(session: requests.Session, file: File, mirror: Mirror, part: Part, line: Line, patience: Patience) -> bool:
    """Bring `part` up to the whole of `file` from one mirror; True where all of it came in this one answer.

    Raises `TransferError` (what arrived is kept), `Stopped`, `UserError` for a disk that is too small, or `OSError` from the disk.
    """
    expected = file.bytes if mirror.identical else None
    start = _resume_point(file, mirror, part)
    response = ask(session, mirror.url, _resume_headers(mirror.url, part, start), patience)
    with line.on(response):
        offset = judge_status(response, start)
        refuse_page(response, file)
        total = _total(response)
        if expected is not None and total not in (None, expected):
            raise TransferError(f"offers {total:,} bytes where {expected:,} are right")
        total = total if total is not None else expected
        if total is None and not response.raw.chunked and not has_hash(file):
            raise TransferError("does not say how long the file is, and the manifest cannot tell either")
        headers = response.headers
        origin = Origin(without_password(mirror.url), mirror.identical, headers.get("ETag"), headers.get("Last-Modified"), total)
        if part.size and offset == 0 and (part.origin.url != origin.url or part.origin.contradicts(origin)):
            part.drop()
        if offset and part.origin.url == origin.url and part.origin.contradicts(origin):
            raise TransferError("now has another file under the same address", restart=True)
        require_space(part.path.parent, (total or 0) - part.size, file.name)
        whole = part.size == 0
        part.come_from(origin)
        _receive(response, part, offset, total, line, patience)
        return whole


def _resume_point(file: File, mirror: Mirror, part: Part) -> int:
    """The first byte to ask for; 0, with the part dropped, where its bytes may be of another file than this mirror's."""
    if (
        part.size
        and part.origin.url != without_password(mirror.url)
        and not (part.origin.identical and mirror.identical and has_hash(file))
    ):
        part.drop()
    return max(0, part.size - OVERLAP)


def _resume_headers(url: str, part: Part, start: int) -> dict[str, str]:
    if not start:
        return {}
    headers = {"Range": f"bytes={start}-"}
    if part.origin.url == without_password(url) and (validator := _validator(part.origin)):
        headers["If-Range"] = validator
    return headers


def ask(session: requests.Session, url: str, headers: dict[str, str], patience: Patience) -> requests.Response:
    """The answer's head, its body not yet read. Raises `TransferError`, whose words never hold an address, a password or a token."""
    headers = {"Accept-Encoding": "identity", "User-Agent": f"repro/{__version__}"} | headers
    try:
        return session.get(url, headers=headers, stream=True, timeout=(patience.connect, patience.read), auth=token_for(url))
    except requests.exceptions.TooManyRedirects:
        raise TransferError("redirects without end") from None
    except requests.exceptions.SSLError:
        raise TransferError("has no valid certificate") from None
    except requests.exceptions.ProxyError:
        raise TransferError("cannot be reached through the proxy that the environment names", unreachable=True) from None
    except requests.exceptions.ConnectTimeout:
        raise TransferError(f"did not answer within {patience.connect:g} s", retry=True, unreachable=True) from None
    except requests.exceptions.ReadTimeout:
        raise TransferError(f"sent nothing for {patience.read:g} s", retry=True) from None
    except requests.exceptions.ConnectionError as error:
        # The text of the library's own error may hold a proxy's password, so only its kind is told.
        if "Connection aborted" in str(error):
            raise TransferError("closed the connection without an answer", retry=True) from None
        kind = "has no address here (name lookup failed)" if "resolve" in str(error).lower() else "cannot be reached"
        raise TransferError(kind, retry=True, unreachable=True) from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise TransferError(f"gave no usable answer ({type(error).__name__})") from None


def _validator(origin: Origin) -> str | None:
    """What If-Range may carry: a strong ETag, else the date."""
    return origin.etag if origin.etag and not origin.etag.startswith("W/") else origin.last_modified


def judge_status(response: requests.Response, start: int) -> int:
    """The offset of the first byte that the answer's body holds; `TransferError` for an answer without the file."""
    status = response.status_code
    if status == 200:
        return 0
    if status == 206:
        found = re.match(rf"bytes ({NUMBER})-", response.headers.get("Content-Range", ""))
        if not start or not found or int(found[1]) != start:
            raise TransferError("answered with another range than was asked for", restart=True)
        return start
    if status == 416:
        raise TransferError("says that the file is shorter than what is here (416)", restart=True)
    reason = f"answered {status} {response.reason or ''}".rstrip()
    if status in (408, 425, 429) or status >= 500:
        raise TransferError(reason, retry=True, wait=_retry_after(response))
    if status in (401, 403) and urlsplit(response.url).hostname in TOKEN_HOSTS and not os.environ.get("HF_TOKEN"):
        reason += ", which a token in HF_TOKEN may change"
    raise TransferError(reason)


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the host asks to be left alone, from either form of Retry-After."""
    told = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(NUMBER, told):
        return float(told)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return None


def refuse_page(response: requests.Response, file: File) -> None:
    """Login, licence and virus-warning pages come with status 200."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "text/html" and not file.name.lower().endswith((".html", ".htm")):
        raise TransferError("answered with a web page instead of the file")


def _total(response: requests.Response) -> int | None:
    """The whole file's size in bytes as the answer tells it."""
    if response.status_code == 206:
        size = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        size = "" if response.raw.chunked else response.headers.get("Content-Length", "")
    return int(size) if re.fullmatch(NUMBER, size) else None


def _receive(response: requests.Response, part: Part, offset: int, total: int | None, line: Line, patience: Patience) -> None:
    """Append the body to `part`; bytes that it already holds are compared instead of written."""
    position, window_start, window_position = offset, time.monotonic(), offset
    line.report(part.size, total)
    while chunk := _next_chunk(response, position, line, patience):
        if total is not None and position + len(chunk) > total:
            raise TransferError(f"sent more than {total:,} bytes", restart=True)
        known = chunk[: max(0, part.size - position)]
        if known and not part.same(known, position):
            if offset:
                raise TransferError("has other bytes than those already here", restart=True)
            part.cut(position)
            known = b""
        part.append(chunk[len(known) :])
        position += len(chunk)
        line.report(part.size, total)
        if (elapsed := time.monotonic() - window_start) > patience.read:
            if position - window_position < SLOWEST * elapsed:
                raise TransferError(f"sent less than {SLOWEST:,} bytes a second", retry=True)
            window_start, window_position = time.monotonic(), position
    if total is not None and position < total:
        raise TransferError(f"closed the connection after {position:,} of {total:,} bytes", retry=True)
    if position < part.size:
        part.cut(position)


def _next_chunk(response: requests.Response, position: int, line: Line, patience: Patience) -> bytes:
    """What the host has sent since; b"" at the end of the body. Never decoded: sizes and hashes are of the bytes as stored."""
    try:
        return response.raw.read1(BUFFER, decode_content=False)
    except urllib3.exceptions.ReadTimeoutError:
        raise TransferError(f"stalled: nothing came for {patience.read:g} s", retry=True) from None
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        if line.stopped:
            raise Stopped from None
        raise TransferError(f"cut the connection after {position:,} bytes", retry=True) from None
