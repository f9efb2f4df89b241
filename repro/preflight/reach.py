"""Do the hosts answer? One byte of each address, all at once, within seconds, whatever the network does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import requests

from repro.data import manifest
from repro.data.line import Patience, TransferError
from repro.data.manifest import File
from repro.data.mirrors import choose_mirrors
from repro.data.receipt import check_file
from repro.data.transfer import ask, judge_status, refuse_page
from repro.data.wanted import wanted_files
from repro.paths import Places
from repro.preflight.doctor import Diagnosis
from repro.preflight.prepare import Need, command

HASTY = Patience(connect=4, read=6)
DEADLINE = 12.0  # seconds for all addresses together; a name lookup has no time-out of its own
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class Answer(NamedTuple):
    """`why` is empty where the address gives the file; `unreachable`: there was no answer of any kind."""

    why: str = ""
    unreachable: bool = False


def _host(url: str) -> str:
    """Host and port; never a user's name or password."""
    address = urlsplit(url)
    return f"{address.hostname}:{address.port}" if address.port else address.hostname or "?"


def _probe(url: str, name: str, patience: Patience) -> Answer:
    try:
        with requests.Session() as session, ask(session, url, {"Range": "bytes=0-0"}, patience) as response:
            if response.status_code not in (206, 429):  # 429 is a host that lives and is busy
                judge_status(response, 0)
            refuse_page(response, File(name=name))
            return Answer()
    except TransferError as error:
        return Answer(error.why, error.unreachable)


def probe(addresses: Iterable[tuple[str, str]], patience: Patience = HASTY, deadline: float = DEADLINE) -> dict[str, Answer]:
    """Ask for one byte of every (url, file's name) at once; the answers by url, after at most `deadline` seconds.

    The threads are daemons, so that one which hangs in a name lookup does not keep the program from ending.
    """
    answers: dict[str, Answer] = {}
    wanted = dict(addresses)

    def work(url: str, name: str) -> None:
        answers[url] = _probe(url, name, patience)

    threads = [threading.Thread(target=work, args=entry, daemon=True) for entry in wanted.items()]
    end = time.monotonic() + deadline
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = Answer(f"did not answer within {deadline:g} s", unreachable=True)
    return {url: answers.get(url, late) for url in wanted}


def _no_network(answers: dict[str, Answer], state: str, places: Places) -> Diagnosis | None:
    """One sentence instead of many, where no host at all could be reached."""
    if not answers or not all(answer.unreachable for answer in answers.values()):
        return None
    proxies = [name for name in PROXIES if os.environ.get(name) or os.environ.get(name.upper())]
    through = f"; {', '.join(proxies)} is set" if proxies else "; no proxy is set"
    kinds = ", ".join(sorted({answer.why for answer in answers.values()}))
    hosts = {_host(url) for url in answers}
    return Diagnosis(
        subject="network",
        state=state,
        detail=f"none of {len(hosts)} host{'s' if len(hosts) > 1 else ''} could be reached ({kinds}){through}",
        cure=f"connect this machine or set https_proxy; without a network: {command(places, 'data import BUNDLE')}",
    )


def needed(needs: Sequence[Need], places: Places, patience: Patience = HASTY, deadline: float = DEADLINE) -> list[Diagnosis]:
    """The addresses of every file that is still to be fetched; one line per dataset or weights."""
    files = {need.title: _to_fetch(need) for need in needs if not need.here and not need.steps}
    if not any(files.values()):
        return [Diagnosis(subject="network", state="ok", detail="not asked: nothing needs to be fetched")]
    answers = probe(((mirror.url, file.name) for some in files.values() for file in some for mirror in file.mirrors), patience, deadline)
    if dark := _no_network(answers, "fail", places):
        return [dark]
    return [_judge(need, files[need.title], answers, places) for need in needs if files.get(need.title)]


def _to_fetch(need: Need) -> list[File]:
    record = manifest.load(need.name)
    wanted = wanted_files(record, only=(need.file,) if need.file else ())
    return [file for file in wanted if file.mirrors and not check_file(file, need.root).ok]


def _judge(need: Need, files: Sequence[File], answers: dict[str, Answer], places: Places) -> Diagnosis:
    """`fail` where a file has no living address that a fetch would try by itself; `warn` where some address is dead."""
    subject = f"addresses of {need.title}"
    dead = {mirror.url: answers[mirror.url].why for file in files for mirror in file.mirrors if answers[mirror.url].why}
    every = len({mirror.url for file in files for mirror in file.mirrors})
    told = "; ".join(dict.fromkeys(f"{_host(url)} {why}" for url, why in dead.items()))
    seen = f"{every - len(dead)} of {every} answer" + (f"; {told}" if dead else "")
    lost = [file for file in files if all(mirror.url in dead for mirror in choose_mirrors(file))]
    if lost:
        others = [_host(mirror.url) for file in lost for mirror in file.mirrors if mirror.url not in dead]
        fetch = f"{command(places, f'data fetch {need.name}')} --mirror {others[0]}; or " if others else ""
        cure = f"{fetch}with a copy of your own: {command(places, f'data add {need.name} PATH')}"
        detail = f"{len(lost)} of {len(files)} files cannot be had ({', '.join(file.name for file in lost[:3])}): {seen}"
        return Diagnosis(subject=subject, state="fail", detail=detail, cure=cure)
    if dead:
        living = next(_host(mirror.url) for file in files for mirror in file.mirrors if mirror.url not in dead)
        cure = f"nothing to mend: {command(places, f'data fetch {need.name}')} goes on to the next address, such as {living}"
        return Diagnosis(subject=subject, state="warn", detail=seen, cure=cure)
    return Diagnosis(subject=subject, state="ok", detail=seen)


def overview(
    records: Sequence[manifest.Manifest], places: Places, patience: Patience = HASTY, deadline: float = DEADLINE
) -> list[Diagnosis]:
    """One address of every host that any manifest names; a line for each that is dead, and one for the others."""
    first: dict[str, tuple[str, str]] = {}
    for record in records:
        for file in record.files:
            for mirror in file.mirrors if record.access == "open" and not file.optional else ():
                first.setdefault(_host(mirror.url), (mirror.url, file.name))
    answers = probe(first.values(), patience, deadline)
    if dark := _no_network(answers, "warn", places):
        return [dark]
    diagnoses = []
    for host, (url, _) in first.items():
        if why := answers[url].why:
            only = _that_only(host, records)
            detail = f"{why}; the only host of {', '.join(only)}" if only else f"{why}; whatever it has, others have too"
            own = (
                f"with a copy of your own: {command(places, f'data add {only[0]} PATH')}"
                if only
                else "nothing to mend: a fetch asks the others"
            )
            diagnoses.append(Diagnosis(subject=f"host {host}", state="warn", detail=detail, cure=own))
    dead = len(diagnoses)
    if len(first) > dead:
        diagnoses.append(Diagnosis(subject="network", state="ok", detail=f"{len(first) - dead} of {len(first)} hosts answer"))
    return diagnoses


def _that_only(host: str, records: Sequence[manifest.Manifest]) -> list[str]:
    """Names of the manifests with a file that no other host has."""
    return [
        record.name
        for record in records
        if any(file.mirrors and not file.optional and {_host(mirror.url) for mirror in file.mirrors} == {host} for file in record.files)
    ]
