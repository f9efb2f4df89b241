"""Plans over a fabricated benchmark."""

from __future__ import annotations

from collections import Counter

import fabricated

from repro.planning.plan import Request, make

PRETRAINED = fabricated.benchmark(pretrained_by="clip-pretrain")


def planned(*methods: str, seeds=(0,), of=PRETRAINED, **asked):
    return make(Request(of, methods, tuple(seeds), **asked))


def counts(plan) -> dict[str, int]:
    return dict(Counter(run.method for run in plan.runs))


def one(plan, method: str):
    return next(run for run in plan.runs if run.method == method)
