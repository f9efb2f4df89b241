"""Your own data: <domain>/<class>/<image>, trained on one domain, tested on others.

The ID domain is split into train, validation and test (60/20/20, stratified by class, seeded); copies of one image (equal bytes) always
fall into the same part, so no ID test image was trained on. Every other named domain is an OOD test set as a whole, but for one that
`--ood-val` names: it may be chosen on, and is shown beside the others, in no average.
"""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.data.files import hash_files
from repro.errors import UserError, nearest
from repro.record import digest
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

VERSION = 1
SUFFIXES = (".jpg", ".jpeg", ".png")
PARTS = ("train", "id_val", "id_test")
SHARES = (0.6, 0.8)  # where the second and the third part begin
TINY = 12  # images per class and domain
FEWEST = 4  # different images of a class of which SHARES leave some for every part
USAGE = "repro run folder --root DIR --id DOMAIN --ood DOMAIN,DOMAIN"


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record: domains and classes are read off the folder, its content is hashed (and the hashes remembered)."""
    for option in ("root", "id", "ood"):
        if not options.get(option):
            raise UserError(f"folder needs --{option}", "it says where the images lie and which domains are ID and OOD", USAGE)
    root = Path(options["root"]).expanduser().absolute()
    ood = tuple(dict.fromkeys(name.strip() for name in options["ood"].split(",") if name.strip()))
    if not ood:
        raise UserError(f"--ood {options['ood']}: no domain is named", "there would be no OOD column", USAGE)
    validation = (options["ood_val"],) if options.get("ood_val") else ()
    if set(validation) & set(ood):
        raise UserError(
            f"--ood-val {validation[0]} is also tested on",
            "what is chosen on a domain cannot be reported on it",
            "leave --ood-val out, or name another domain of the folder",
        )
    elsewhere = (*ood, *validation)
    domains = _domains(root)
    named = {"id": (options["id"],), "ood": ood, "ood-val": validation}
    for option, names in named.items():
        if wrong := next((name for name in names if name not in domains), None):
            raise _no_domain(root, option, wrong, named, domains)
    if options["id"] in elsewhere:
        option = "ood" if options["id"] in ood else "ood-val"
        raise UserError(
            f"--{option} names the ID domain {options['id']!r}", "its training images would be tested on", _instead(option, named, domains)
        )
    if taken := [name for name in elsewhere if name in PARTS]:
        raise UserError(
            f"an OOD domain cannot be called {taken[0]!r}", f"the ID domain's own parts are called {', '.join(PARTS)}", "rename its folder"
        )
    classes = _agreeing_classes(root, (options["id"], *elsewhere))
    hashes = _hashes(root, (options["id"], *elsewhere), classes, places.packs / "file-hashes.sqlite", tiny)
    _enough(root, options["id"], classes, hashes)
    _apart(root, options["id"], hashes)
    return Benchmark(
        name="folder",
        version=VERSION,
        caption="Your own data",
        title=f"folder {root.name}: {options['id']} → {', '.join(ood)}",
        splits=(
            Split(name="train", role="train", caption=f"60 % of {options['id']}"),
            Split(name="id_val", role="id_val", caption=f"20 % of {options['id']}"),
            Split(name="id_test", role="id_test", caption=f"20 % of {options['id']}", column="ID"),
            *(Split(name=name, role="ood_test", caption=f"all of {name}", column="OOD") for name in ood),
            *(Split(name=name, role="ood_val", caption=f"all of {name}", column="OOD", headline=False) for name in validation),
        ),
        classes=classes,
        templates=("a photo of a {}.",),
        data=digest(hashes),
        options={"id": options["id"], "ood": sorted(ood), **({"ood_val": validation[0]} if validation else {})},
        roots={"images": str(root)},
        methods=("lp", "ft", "lp-ft"),
        tiny=tiny,
    )


def _subfolders(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))


def _domains(root: Path) -> tuple[str, ...]:
    try:
        domains = _subfolders(root)
    except OSError as error:
        raise UserError(f"cannot read the folder {root}", error.strerror or str(error), USAGE) from None
    if not domains:
        raise UserError(f"{root} has no domains", "expected <domain>/<class>/<image>", f"put a folder per domain into {root}")
    return domains


def _no_domain(root: Path, option: str, wrong: str, named: dict[str, tuple[str, ...]], domains: tuple[str, ...]) -> UserError:
    near = nearest(wrong, domains)
    why = f"did you mean {near!r}?" if near else f"it has {', '.join(domains[:10])}{', …' if len(domains) > 10 else ''}"
    meant = {option: tuple(near if name == wrong else name for name in named[option])} if near else {}
    return UserError(f"{root} has no domain {wrong!r}", why, _instead(option, named | meant, domains))


def _instead(option: str, named: dict[str, tuple[str, ...]], domains: tuple[str, ...]) -> str:
    """The option with those of the named domains that it can have, or with all that no other option names."""
    others = {name for other, names in named.items() if other != option for name in names}
    free = [name for name in domains if name not in others]
    wanted = [name for name in named[option] if name in free] or (free if option == "ood" else free[:1])
    return f"for example --{option} {shlex.quote(','.join(wanted))}" if wanted else f"put a folder for another domain beside {domains[0]}"


def _agreeing_classes(root: Path, domains: tuple[str, ...]) -> tuple[str, ...]:
    """The classes of the ID domain, which every other domain must have, no more and no fewer, each with images."""
    classes = _subfolders(root / domains[0])
    if len(classes) < 2:
        raise UserError(
            f"{root / domains[0]} has {len(classes) or 'no'} class folders",
            "expected <domain>/<class>/<image> with at least two classes",
            f"put a folder per class into {root / domains[0]}",
        )
    for domain in domains:
        own = _subfolders(root / domain)
        missing, extra = sorted(set(classes) - set(own)), sorted(set(own) - set(classes))
        if missing or extra:
            why = "; ".join(f"{what} {', '.join(names[:5])}" for what, names in (("it lacks", missing), ("it alone has", extra)) if names)
            raise UserError(
                f"the classes of {domain} are not those of {domains[0]}",
                why,
                f"make the folders below {root / domain} and {root / domains[0]} agree",
            )
        for name in classes:
            if not _images(root / domain / name):
                raise UserError(
                    f"{root / domain / name} has no images",
                    f"looked for {', '.join(SUFFIXES)}",
                    f"put images into it, or remove the class {name!r} from every domain",
                )
    return classes


def _images(folder: Path, tiny: bool = False) -> list[Path]:
    found = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    return found[:TINY] if tiny else found


@cache
def _hashes(root: Path, domains: tuple[str, ...], classes: tuple[str, ...], cache_file: Path, tiny: bool) -> dict[str, str]:
    """Path below the root → sha256, for every image of the domains."""
    paths = [path for domain in domains for name in classes for path in _images(root / domain / name, tiny)]
    return {path.relative_to(root).as_posix(): sha256 for path, sha256 in hash_files(paths, cache_file).items()}


def _enough(root: Path, domain: str, classes: tuple[str, ...], hashes: dict[str, str]) -> None:
    """Every class of the ID domain must reach every part."""
    for name in classes:
        different = len({sha256 for path, sha256 in hashes.items() if path.startswith(f"{domain}/{name}/")})
        if different < FEWEST:
            raise UserError(
                f"{root / domain / name} has too few images to split: {different}",
                f"each class of the ID domain needs at least {FEWEST} different ones, for {', '.join(PARTS)}",
                f"add images to it, or remove the class {name!r} from every domain",
            )


def _apart(root: Path, domain: str, hashes: dict[str, str]) -> None:
    """No image of an OOD domain may be one of the ID domain, which is trained on."""
    inside = {sha256: path for path, sha256 in hashes.items() if path.startswith(f"{domain}/")}
    copies = [(path, inside[sha256]) for path, sha256 in hashes.items() if sha256 in inside and not path.startswith(f"{domain}/")]
    if copies:
        raise UserError(
            f"{len(copies)} OOD images are copies of images of {domain}, the first {copies[0][0]} of {copies[0][1]}",
            "images that were trained on would be tested on as OOD",
            f"remove the copies below {root}",
        )


def _parts(classes: list[list[str]]) -> dict[str, str]:
    """Content → part. Class by class, distinct contents are ordered by a seeded hash and cut; a copy in a later class follows the first."""
    part_of: dict[str, str] = {}
    for contents in classes:
        order = sorted(set(contents) - part_of.keys(), key=lambda sha256: digest([f"split {VERSION}", sha256]))
        cuts = [0, *(round(share * len(order)) for share in SHARES), len(order)]
        for part, begin, end in zip(PARTS, cuts[:-1], cuts[1:], strict=True):
            part_of.update(dict.fromkeys(order[begin:end], part))
    return part_of


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The image files of one split, class by class."""
    import numpy as np

    from repro.reading.examples import Examples

    root = Path(benchmark.roots["images"])
    inside = split.name in PARTS
    domain = benchmark.options["id"] if inside else split.name
    paths = [_images(root / domain / name, benchmark.tiny) for name in benchmark.classes]
    if inside:
        part_of = _parts([[_content(path) for path in images] for images in paths])
        paths = [[path for path in images if part_of[_content(path)] == split.name] for images in paths]
    sources: list[Path] = []
    labels: list[int] = []
    for label, (name, images) in enumerate(zip(benchmark.classes, paths, strict=True)):
        if not images:
            raise UserError(
                f"{root / domain / name} leaves no image for {split.name}",
                "all of them are copies of images in other classes",
                "remove the copies, or add images to it",
            )
        sources += images
        labels += [label] * len(images)
    return Examples(sources, np.array(labels, np.int64))


@cache
def _content(path: Path) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
