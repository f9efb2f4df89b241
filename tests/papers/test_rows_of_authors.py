"""The tables' recipes against what was read in the authors' code and papers, line by line; skips where those notes are not."""

from __future__ import annotations

import csv
import re

import pytest
from shared_folder import shared

from repro import plugins
from repro.papers import rows
from repro.settings import Recipe

FACTS = shared("facts", "recipes.csv")
pytestmark = pytest.mark.skipif(FACTS is None, reason="the notes on the authors' recipes are not here; REPRO_SHARED names their folder")

# (paper, benchmark, beginning of the method) of a line → the rows that it is about, as table/paper/method.
HERE = {
    ("LP-FT", "Living-17", "FT"): "living17/lp-ft/ft",
    ("LP-FT", "Living-17", "LP"): "living17/lp-ft/lp",
    ("LP-FT", "Living-17", "LP-FT"): "living17/lp-ft/lp-ft",
    ("LP-FT", "Entity-30", "FT"): "entity30/lp-ft/ft",
    ("LP-FT", "Entity-30", "LP"): "entity30/lp-ft/lp",
    ("LP-FT", "Entity-30", "LP-FT"): "entity30/lp-ft/lp-ft",
    ("LP-FT", "DomainNet (SENTRY sketch->real,painting,clipart)", "FT"): "domainnet/lp-ft/ft",
    ("LP-FT", "DomainNet (SENTRY sketch->real,painting,clipart)", "LP"): "domainnet/lp-ft/lp",
    ("LP-FT", "DomainNet (SENTRY sketch->real,painting,clipart)", "LP-FT"): "domainnet/lp-ft/lp-ft",
    ("LP-FT", "ImageNet", "FT"): "imagenet/lp-ft/ft",
    ("LP-FT", "ImageNet", "LP (torch)"): "imagenet/lp-ft/lp-sgd",
    ("LP-FT", "ImageNet", "LP-FT phase 2"): "imagenet/lp-ft/lp-ft",
    ("LP-FT", "CIFAR-10->STL", "FT"): "cifar10.1/lp-ft/ft",
    ("LP-FT", "CIFAR-10->STL", "LP"): "cifar10.1/lp-ft/lp",
    ("LP-FT", "CIFAR-10->STL", "LP-FT"): "cifar10.1/lp-ft/lp-ft",
    ("LP-FT", "CIFAR-10->CIFAR-10.1 v6 (2000)", "FT"): "cifar10.1/lp-ft/ft",
    ("LP-FT", "CIFAR-10->CIFAR-10.1 v6 (2000)", "LP"): "cifar10.1/lp-ft/lp",
    ("LP-FT", "CIFAR-10->CIFAR-10.1 v6 (2000)", "LP-FT"): "cifar10.1/lp-ft/lp-ft",
    ("LP-FT", "FMoW geo (Americas->Africa/Europe)", "FT"): "fmow-geo/lp-ft/ft",
    ("LP-FT", "FMoW geo (Americas->Africa/Europe)", "LP"): "fmow-geo/lp-ft/lp",
    ("LP-FT", "FMoW geo (Americas->Africa/Europe)", "LP-FT"): "fmow-geo/lp-ft/lp-ft",
    ("LP-FT", "FMoW all regions (fmow_all)", "FT/LP/LP-FT"): "fmow/lp-ft/ft fmow/lp-ft/lp",
    ("LP-FT", "Living-17 (ablation)", "FT valmode"): "living17/lp-ft-eval-bn/ft",
    ("LP-FT", "Living-17 (ablation)", "FT no augmentation"): "living17/lp-ft-no-augmentation/ft",
    ("LP-FT", "Living-17 (ablation)", "L2-SP"): "living17/lp-ft/l2-sp",
    ("LP-FT", "Living-17 (ablation)", "BN-only FT"): "living17/lp-ft/bn-only",
    ("LP-FT", "Living-17 (ablation)", "higher head lr x10"): "living17/lp-ft/ft-head-lr",
    ("LP-FT", "Living-17 (ablation)", "torch linear probe"): "living17/lp-ft/lp-sgd",
    ("freeze-embed era (NOT LP-FT)", "Camelyon17", "FT/LP-FT at HEAD"): "camelyon17/freeze-embed/ft camelyon17/freeze-embed/lp-ft",
    ("WiSE-FT", "ImageNet", "FT then alpha mix"): "imagenet/wise-ft/ft imagenet/wise-ft-chosen/ft",
    ("WiSE-FT", "CIFAR-10 -> 10.1 v6/10.2", "same"): "cifar10.1/wise-ft/ft cifar10.1/wise-ft/wise-ft",
    ("WiSE-FT", "iWildCam / FMoW", "same"): "iwildcam/wise-ft/ft fmow/wise-ft/ft",
    ("WiSE-FT", "any", "linear classifier"): "cifar10.1/wise-ft/lp-sgd iwildcam/wise-ft/lp-sgd fmow/wise-ft/lp-sgd imagenet/wise-ft/lp-sgd",
    ("FLYP", "iWildCam", "FLYP"): "iwildcam/flyp/flyp iwildcam/flyp/flyp-ce",
    ("FLYP", "ImageNet", "FLYP"): "imagenet/flyp/flyp",
    ("FLYP", "ImageNet", "CE ablation"): "imagenet/flyp/flyp-ce",
    ("FLYP", "FMoW", "FLYP"): "fmow/flyp/flyp fmow/flyp/flyp-ce",
    ("FLYP", "any", "LP (lbfgs)"): "iwildcam/flyp/lp fmow/flyp/lp imagenet/flyp/lp",
    ("FLYP", "iWildCam/FMoW/ImageNet", "FT, LP-FT, L2-SP, WiSE-FT"): "iwildcam/flyp/ft iwildcam/flyp/lp-ft iwildcam/flyp/l2-sp "
    "fmow/flyp/ft fmow/flyp/lp-ft fmow/flyp/l2-sp imagenet/flyp/ft imagenet/flyp/lp-ft imagenet/flyp/l2-sp",
    ("AutoFT", "iWildCam", "AutoFT"): "iwildcam/autoft/autoft",
    ("AutoFT", "FMoW", "AutoFT"): "fmow/autoft/autoft",
    ("AutoFT", "CIFAR-10 -> 10.1 v6 / 10.2", "AutoFT"): "cifar10.1/autoft/autoft",
    ("AutoFT", "ImageNet", "AutoFT"): "imagenet/autoft/autoft",
    ("AutoFT", "SST2 few-shot k=4/16/32", "AutoFT"): "rendered-sst2/autoft/autoft",
    ("AutoFT", "PatchCamelyon few-shot k=4/16/32", "AutoFT"): "patchcamelyon/autoft/autoft",
    ("AutoFT", "iWildCam", "WiSE-FT on AutoFT"): "iwildcam/autoft/wise-ft",
    ("AutoFT", "iWildCam / FMoW", "baseline FT"): "iwildcam/autoft/ft fmow/autoft/ft",
    ("AutoFT", "iWildCam", "baseline FLYP"): "iwildcam/autoft/flyp",
    ("AutoFT", "CIFAR-10", "baseline FT"): "cifar10.1/autoft/ft",
    ("AutoFT", "CIFAR-10", "baseline LP "): "cifar10.1/autoft/lp-sgd",
    ("AutoFT", "CIFAR-10", "baseline LP-FT"): "cifar10.1/autoft/lp-ft",
    ("AutoFT", "CIFAR-10", "baseline FLYP"): "cifar10.1/autoft/flyp",
    ("AutoFT", "CIFAR-10", "baseline L2-SP"): "cifar10.1/autoft/l2-sp",
    ("Targeted Augmentations", "iWildCam", "ERM"): "iwildcam/targeted-augs/erm iwildcam/connect-later/erm",
    ("Targeted Augmentations", "iWildCam", "Copy-Paste"): "iwildcam/targeted-augs/erm-targeted iwildcam/connect-later/erm-targeted",
    ("Targeted Augmentations", "Camelyon17", "ERM"): "camelyon17/targeted-augs/erm camelyon17/connect-later/erm",
    ("Targeted Augmentations", "Camelyon17", "Stain"): "camelyon17/targeted-augs/erm-targeted camelyon17/connect-later/erm-targeted",
    ("Connect Later", "iWildCam", "standard LP-FT without aug"): "iwildcam/connect-later/lp-ft",
    ("Connect Later", "iWildCam", "stage 2"): "iwildcam/connect-later/connect-later",
    ("Connect Later", "Camelyon17", "stage 2"): "camelyon17/connect-later/connect-later",
    ("WILDS reference", "Camelyon17", "ERM"): "camelyon17/wilds-2/erm",
    ("WILDS reference", "iWildCam", "ERM"): "iwildcam/wilds/erm",
    ("WILDS reference", "FMoW", "ERM"): "fmow/wilds-2/erm",
    **{
        (paper, name, f"{method}"): " ".join(f"{name.lower()}/{short}/{row}" for row in rows)
        for paper, short, names in (
            ("Targeted Augmentations", "targeted-augs", ("iWildCam", "Camelyon17")),
            ("WILDS reference", "wilds", ("iWildCam", "Camelyon17", "FMoW")),
        )
        for name in names
        for method, rows in (("DANN", ("dann",)), ("DeepCORAL", ("coral", "irm")))
    },
}
# Methods that this program has not, by the beginning of a line's method; every other line that is not above is of another benchmark.
NO_METHOD = ("side-tuning", "stage 1")
NO_BENCHMARK = (
    "ImageNet few-shot",
    "ImageNet 4-shot",
    "ImageNet 16/32-shot",
    "Caltech101",
    "Stanford Cars",
    "SST2",
    "PatchCamelyon",
    "Flowers102",
    "BirdCalls",
    "Astro",
    "Redshifts",
)
# Of AutoFT's LP-FT the line's 20 epochs are 10 of the probe and 10 of the fine-tuning. Of freeze-embed the line is of the scripts, and the
# numbers are of a notebook: AnanyaKumar/transfer_learning@13c3e2b scripts/freeze-embed-paper-fine-tuning-results.ipynb cells 3 and 7.
OTHERWISE = {
    "cifar10.1/autoft/lp-ft": {"epochs": 10},
    "camelyon17/freeze-embed/ft": {"lr": (3e-5, 1e-2, 6), "select": "id_val"},
    "camelyon17/freeze-embed/lp-ft": {"select": "id_val"},
    "imagenet/wise-ft-chosen/ft": {"select": "id_val"},  # of the mixture that is made of its last epoch
}
FIELDS = {"lr_grid": "lr", "weight_decay": "weight_decay", "batch_size": "batch_size", "epochs": "epochs"}


def lines() -> list[dict[str, str]]:
    with FACTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def about(line: dict[str, str]) -> list[str]:
    """The rows that a line is about; of several beginnings the longest."""
    found = [key for key in HERE if key[:2] == (line["paper"], line["benchmark"]) and f"{line['method']} ".startswith(key[2])]
    return HERE[max(found, key=lambda key: len(key[2]))].split() if found else []


RELEASED_HYPERPARAMETERS = {f"{name}/autoft-hparams/autoft" for name in ("iwildcam", "fmow", "imagenet")}  # test_released_objectives.py


def waits_for(line: dict[str, str]) -> str:
    if line["benchmark"].startswith(NO_BENCHMARK):
        return "benchmark"
    return "method" if line["method"].startswith(NO_METHOD) else "nothing"


def row_of(name: str) -> rows.Row:
    table, paper, method = name.split("/")
    return next(row for row in rows.table_of(table).row if (row.paper, row.method) == (paper, method))


def numbers(text: str) -> list[float]:
    """The numbers of a cell, without what stands in parentheses."""
    return [float(number) for number in re.findall(r"(?<![\w.])\d*\.?\d+(?:e-?\d+)?", re.sub(r"\([^)]*\)", "", text))]


def sides(line: dict[str, str], row: rows.Row) -> list[tuple[str, object, object]]:
    """Field by field what the row has and what the line says."""
    recipe = {field: getattr(Recipe(), field) for field in Recipe.model_fields} | row.recipe
    if row.method == "autoft":
        return searched(line, recipe, recipe | row.released)
    if (row.paper, row.method) == ("autoft", "wise-ft"):
        return [("alphas", sorted(recipe["alphas"]), sorted([n / 10 for n in range(1, 11)] + [0.85, 0.95]))]
    grid = line["lr_grid"]
    if method_grid := re.match(r"C: (\d+) values logspace\((\S+)\.\.(\S+)\)", grid):
        return [
            (f"lp_c_{part}", recipe[f"lp_c_{part}"], float(value))
            for part, value in zip(("count", "min", "max"), method_grid.groups(), strict=True)
        ]
    found = []
    for column, field in FIELDS.items():
        text, value = line[column], recipe[field]
        if field not in plugins.declared(row.method).fields:
            continue
        if field == "lr" and row.search:  # the parentheses tell the draws, tests/papers/test_search.py makes them
            found.append(("winner", [row.quick["lr"]] if row.quick else [], [] if "LP" in text else numbers(text)))
        elif text == "unknown" or (field == "lr" and "trials" in text):
            found.append((f"{field} is ours", field in row.ours, True))
        elif spread := re.match(r"(\S+)\.\.(\S+) \((\d+) values\)", text):
            low, high, count = spread.groups()
            found.append((field, (min(value), max(value), len(value)), (float(low), float(high), int(count))))
        elif row.method == "dann" and field == "lr":  # of features, head and discriminator
            rates = (value, value * recipe["head_lr_factor"], recipe["discriminator_lr"])
            found.append((field, [float(f"{rate:.4g}") for rate in rates], [float(f"{rate:.4g}") for rate in numbers(text)]))
        elif field == "lr":
            found.append(
                (field, [row.quick["lr"]] if "trained for" in text else value if isinstance(value, list) else [value], numbers(text))
            )
            if winner := re.search(r"winner (\S+)\)", text):
                found.append(("winner", row.quick.get("lr"), float(winner[1])))
        elif field == "batch_size":
            size, times = re.findall(r"(\d+)(?:x(\d+))?(?= |$|;)", re.sub(r"\([^)]*\)", "", text))[-1]
            found.append((field, value, int(size) * int(times or 1)))
            parts = times or ("2" if "(2x16)" in text else "1")
            found.append(("accumulate", recipe["accumulate"], int(parts)))
        else:
            found.append((field, value, (numbers(text) or [0.0])[-1]))  # none: no weight decay
    return found


def searched(line: dict[str, str], recipe: dict, released: dict) -> list[tuple[str, object, object]]:
    """The budget of a search, which a line tells for the text or for the release's script."""
    ours = released if "script" in line["method"] else recipe
    budget = [("trials", r"(\d+) trials"), ("inner_steps", r"inner (\d+)")]
    if "few-shot" not in line["benchmark"]:
        budget.append(("search_examples", r"(?:OOD-val|sev5|ImageNet-C) (\d+)"))
        batch, _, parts = line["batch_size"].partition("x")
        found = [("batch_size", ours["batch_size"], int(batch) * int(parts or 1)), ("accumulate", ours["accumulate"], int(parts or 1))]
    else:
        found = [("batch_size", line["batch_size"], "2k")]
    found += [(name, ours[name], int(told[1])) for name, pattern in budget if (told := re.search(pattern, line["method"]))]
    found.append(("lr", ours["lr"], float(re.match(r"lr0 ([\de-]+)", line["lr_grid"])[1])))
    found.append(("epochs", recipe["epochs"], int(re.match(r"\d+", line["epochs"])[0])))
    return [*found, ("warm-up", ours["warmup_steps"], int(line["warmup"]))]


def rule(text: str) -> str | None:
    """The selection rule that a line tells, of a search that of the epoch; None where it is of another kind or unknown."""
    text = text.rpartition("epoch: ")[2]
    if re.search(r"ood.val", text, re.I):
        return "ood_val"
    if text == "none" or text.startswith("none (last"):
        return "last"
    return "id_val" if re.search(r"^ID |id_val|CIFAR-10 test|americas", text) else None


def test_every_line_is_here_or_waits_for_what_is_not():
    every = lines()
    here = [line for line in every if about(line)]
    waiting = [waits_for(line) for line in every if not about(line)]
    counts = {reason: waiting.count(reason) for reason in ("benchmark", "method", "nothing")}
    assert (len(every), len(here), counts) == (92, 73, {"benchmark": 16, "method": 3, "nothing": 0})
    assert len({tuple(about(line)) for line in here} - {()}) >= 36


def test_each_row_is_as_the_line_says():
    compared = 0
    for line in lines():
        for name in about(line):
            for field, ours, theirs in sides(line, row_of(name)):
                theirs = OTHERWISE.get(name, {}).get(field, theirs)
                assert ours == theirs, (name, field)
                compared += 1
    assert compared >= 200


def test_each_paper_selects_as_the_line_says():
    compared = 0
    for line in lines():
        for name in about(line):
            table, paper, _ = name.split("/")
            if told := OTHERWISE.get(name, {}).get("select", rule(line["selection_metric"])):
                assert rows.paper_of(table, paper).select == told, (name, line["selection_metric"])
                compared += 1
    assert compared >= 40


def test_every_row_of_these_papers_that_trains_is_told_by_a_line_or_named_ours():
    """Rows beyond the lines: zero-shot, mixtures, and the freeze-embed era, of which the notes have one benchmark."""
    told = {name for line in lines() for name in about(line)}
    beyond = (
        {
            f"{table}/{row.paper}/{row.method}"
            for table in ("domainnet", "imagenet", "living17", "entity30", "cifar10.1", "fmow-geo", "iwildcam", "fmow", "camelyon17")
            for row in rows.table_of(table).row
        }
        - told
        - RELEASED_HYPERPARAMETERS
    )
    left = {name for name in beyond if not name.endswith(("/zero-shot", "/wise-ft")) and "/freeze-embed" not in name}
    assert left == {
        "fmow/lp-ft/lp-ft",
        "imagenet/lp-ft/lp",
        "iwildcam/connect-later/lp",
        "iwildcam/connect-later/ft",
        *(f"camelyon17/connect-later/{name}" for name in ("lp", "ft", "lp-ft", "self-training")),
        *(f"{name}/wilds/{method}" for name in ("camelyon17", "iwildcam", "fmow") for method in ("coral", "irm")),
        "camelyon17/wilds/swav-pretrain",
        "camelyon17/wilds/erm",  # the lines' ERM is that of WILDS 2.0, wilds-2
        "fmow/wilds/erm",
    }
