"""Your own light curves: <domain>.jsonl, trained on one domain, tested on others.

Files are as repro/reading/light_curves.py describes them. The labelled objects of the ID domain are split into train, validation and test
(60/20/20, stratified by class, seeded). Every other named domain is an OOD test set as a whole, but for one that `--ood-val` names.
`redshifted` is train with up to ten redshifted copies of each of its objects (repro/reading/redshifting.py). `pretrain` is every curve of
all domains, without labels: as in Connect Later, the unlabelled target is what is tested on.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.data.files import hash_files
from repro.errors import UserError, a_few
from repro.record import digest
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples
    from repro.reading.light_curves import LightCurve

VERSION = 1
PARTS = ("train", "id_val", "id_test")
OWN = (*PARTS, "redshifted", "pretrain")
SHARES = (0.6, 0.8)  # where the second and the third part begin
COPIES = 10  # tries per object
FEWEST = 4  # objects of a class of which SHARES leave some for every part
TINY = 40  # objects per domain
USAGE = "repro run light-curves --root DIR --id DOMAIN --ood DOMAIN,DOMAIN"


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; the files are hashed (and the hashes remembered), and the classes are read off the ID domain."""
    for option in ("root", "id", "ood"):
        if not options.get(option):
            raise UserError(f"light-curves needs --{option}", "it says where the files lie and which domains are ID and OOD", USAGE)
    root = Path(options["root"]).expanduser().absolute()
    ood = tuple(dict.fromkeys(name.strip() for name in options["ood"].split(",") if name.strip()))
    validation = (options["ood_val"],) if options.get("ood_val") else ()
    domains = (options["id"], *ood, *validation)
    if not ood or len(set(domains)) < len(domains) or set(domains) & set(OWN):
        raise UserError(
            f"the domains {', '.join(domains)} cannot be ID and OOD",
            f"each has one part to play, and none is called {', '.join(OWN)}",
            USAGE,
        )
    files = {name: root / f"{name}.jsonl" for name in domains}
    if absent := [str(path) for path in files.values() if not path.is_file()]:
        here = a_few(sorted(path.stem for path in root.glob("*.jsonl")))
        why = f"a domain is a file <domain>.jsonl; there are {here}" if here else "a domain is a file <domain>.jsonl, and there is none"
        raise UserError(f"there is no {absent[0]}", why, USAGE)
    hashes = hash_files(list(files.values()), places.packs / "file-hashes.sqlite")
    return Benchmark(
        name="light-curves",
        version=VERSION,
        caption="Your own light curves",
        title=f"light curves {root.name}: {options['id']} → {', '.join(ood)}",
        splits=(
            Split(name="pretrain", role="pretrain", caption="every curve, without labels"),
            Split(name="train", role="train", caption=f"60 % of {options['id']}"),
            Split(name="redshifted", role="train", caption="train and redshifted copies of it", targeted="redshift"),
            Split(name="id_val", role="id_val", caption=f"20 % of {options['id']}"),
            Split(name="id_test", role="id_test", caption=f"20 % of {options['id']}", column="ID"),
            *(Split(name=name, role="ood_test", caption=f"all of {name}", column="OOD") for name in ood),
            *(Split(name=name, role="ood_val", caption=f"all of {name}", column="OOD", headline=False) for name in validation),
        ),
        classes=_classes(files[options["id"]], tiny),
        kind="light-curves",
        targeted={"redshift": ()},
        metrics=("macro_recall",),
        data=digest({name: hashes[path] for name, path in files.items()}),
        options={"id": options["id"], "ood": sorted(ood), **({"ood_val": validation[0]} if validation else {})},
        roots={"light curves": str(root)},
        backbone="informer-small",
        pretrained_by="mae-pretrain",
        methods=("scratch", "ft", "lp-ft"),
        tiny=tiny,
    )


@cache
def _read(path: Path, tiny: bool) -> list[LightCurve]:
    from repro.reading import light_curves

    return light_curves.read(path)[: TINY if tiny else None]


def _classes(path: Path, tiny: bool) -> tuple[str, ...]:
    """The classes of the ID domain's labelled objects, each with enough of them."""
    labels = [str(curve.label) for curve in _read(path, tiny) if curve.label is not None]
    classes = tuple(sorted(set(labels)))
    few = [name for name in classes if labels.count(name) < FEWEST]
    if few or len(classes) < 2:
        why = f"{few[0]!r} has {labels.count(few[0])}" if few else f"{path} has {len(classes)}"
        raise UserError(
            f"{path} cannot be split",
            f"at least two classes of {FEWEST} objects are wanted, {why}",
            "give its objects labels, or leave them out",
        )
    return classes


def _labelled(curves: list[LightCurve], benchmark: Benchmark) -> list[LightCurve]:
    """Those with a label among the ID domain's classes."""
    return [curve for curve in curves if str(curve.label) in benchmark.classes]


def _part(curves: list[LightCurve], part: str, benchmark: Benchmark) -> list[LightCurve]:
    """One part of the ID domain, class by class in the order of a seeded hash of the objects' names."""
    found = []
    for name in benchmark.classes:
        own = sorted((curve for curve in curves if str(curve.label) == name), key=lambda curve: digest([f"split {VERSION}", curve.name]))
        cuts = [0, *(round(share * len(own)) for share in SHARES), len(own)]
        begin = PARTS.index(part)
        found += own[cuts[begin] : cuts[begin + 1]]
    return found


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The light curves of one split; −1 is the label of those that are only pretrained on."""
    import numpy as np

    from repro.reading.examples import Examples

    root, chosen = Path(benchmark.roots["light curves"]), benchmark.options
    elsewhere = [*chosen["ood"], *([chosen["ood_val"]] if "ood_val" in chosen else [])]
    if split.role == "pretrain":
        curves = [curve for name in (chosen["id"], *elsewhere) for curve in _read(root / f"{name}.jsonl", benchmark.tiny)]
        return Examples([curve.observations for curve in curves], np.full(len(curves), -1))
    if split.name in elsewhere:
        curves = _labelled(_read(root / f"{split.name}.jsonl", benchmark.tiny), benchmark)
    else:
        part = split.name if split.name in PARTS else "train"
        curves = _part(_labelled(_read(root / f"{chosen['id']}.jsonl", benchmark.tiny), benchmark), part, benchmark)
        if split.targeted == "redshift":
            curves = _with_copies(curves, [curve for name in elsewhere for curve in _read(root / f"{name}.jsonl", benchmark.tiny)])
    labels = [benchmark.classes.index(str(curve.label)) for curve in curves]
    return Examples([curve.observations for curve in curves], np.array(labels, np.int64))


def _with_copies(curves: list[LightCurve], target: list[LightCurve]) -> list[LightCurve]:
    """The curves, each followed by its redshifted copies, which are observed as the target's curves are."""
    import numpy as np

    from repro.reading import redshifting

    survey, made = redshifting.survey_of([*curves, *target]), []
    for curve in curves:
        rng = np.random.default_rng(int(digest(["redshift", VERSION, curve.name])[:16], 16))
        made += [curve, *redshifting.copies(curve, COPIES, survey, rng)]
    if len(made) == len(curves):
        raise UserError(
            "no training object could be redshifted", "none has a redshift above 0", "write `redshift` into the ID domain's file"
        )
    return made
