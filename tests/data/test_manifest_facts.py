"""Every address, size and hash of the collected facts stands in exactly the manifest it belongs to."""

from __future__ import annotations

import csv
import re

import pytest
from shared_folder import shared

from repro import paths
from repro.data import manifest
from repro.data.manifest import File, Manifest

TABLES = {"datasets.csv": 83, "checkpoints.csv": 22}

# Rows whose file is not named after the row: the facts give the archive as it is called on arrival, or no name at all.
RENAMED = {
    "wilds_iwildcam_v2.0": "iwildcam_v2.0.tar.gz",
    "wilds_iwildcam_unlabeled_v1.0": "iwildcam_unlabeled_v1.0.tar.gz",
    "iwildcam_copypaste_annotations_v1.0": "iwildcam_copypaste_annotations_v1.0.tar.gz",
    "iwildcam2021_metadata": "iwildcam2021/metadata.zip",
    "iwildcam2020_metadata": "iwildcam2020/metadata.zip",
    "wilds_fmow_v1.1": "fmow_v1.1.tar.gz",
    "wilds_fmow_unlabeled_v1.0": "fmow_v1.1.tar.gz",
    "wilds_camelyon17_v1.0": "camelyon17_v1.0.tar.gz",
    "wilds_camelyon17_unlabeled_v1.0": "camelyon17_unlabeled_v1.0.tar.gz",
    "wilds_domainnet_v1.0": "domainnet_v1.0.tar.gz",
}

# Rows that name a page and no file: the address stands in a note of this manifest.
PAGES = {"astro_pretrain": "astroclassification", "astro_redshifts_raw": "redshifts"}

LEFT_OUT = {
    "astro_test": "no place is known for it",
    "camelyon_patient_distribution": "no such file exists",
    "timm_misc_lpft": "names of follow-up models only, no files",
    "flyp_imagenet_vitb16": "a Drive folder of fine-tuned weights, no start of any method",
    "connectlater_astro_transformer": "existence only: that it is the paper's model is unverified",
    "targeted_augs_models": "a worksheet of trained weights, no start of any method",
}

MANIFEST_OF = {
    r"cifar10": "cifar10", r"cifar10\.1_.*": "cifar10.1", r"cifar10\.2_.*": "cifar10.2", r"cifar10c": "cifar10-c", r"stl10": "stl10",
    r"imagenet_(train|val|devkit)": "imagenet", r"breeds_.*": "breeds", r"imagenetv2_.*": "imagenetv2", r"imagenet_r": "imagenet-r",
    r"imagenet_a": "imagenet-a", r"imagenet_sketch": "imagenet-sketch", r"objectnet": "objectnet", r"imagenet_c_.*": "imagenet-c",
    r"pcam_.*": "patchcamelyon", r"rendered_sst2": "rendered-sst2", r"wilds_iwildcam_.*|iwildcam_labels_csv": "iwildcam",
    r"iwildcam_copypaste_.*|iwildcam20.._metadata": "iwildcam-copypaste", r"wilds_fmow_.*": "fmow", r"wilds_camelyon17_.*": "camelyon17",
    r"wilds_domainnet_.*|domainnet_.*|sentry_.*": "domainnet", r"astro_(augmented_.|noaugment|pretrain)": "astroclassification",
    r"astro_redshifts_raw": "redshifts", r"caltech101": "caltech101", r"stanfordcars_.*": "stanford-cars", r"flowers102_.*": "flowers102",
    r"mocov._.*": "moco", r"mocotp_.*": "moco-tp", r"clip_.*": "clip", r"openclip_.*": "openclip-laion400m", r"swav_.*": "swav",
    r"camelyon17_densenet121_swav": "camelyon17-densenet121", r"tv_resnet50_.*": "resnet50", r"dino_.*": "dino", r"bit-m-.*": "bit",
}  # fmt: skip


def rows() -> list[dict[str, str]]:
    found = []
    for table, number in TABLES.items():
        path = shared("facts", "manifests", table)
        if path is None:
            pytest.skip("the collected facts are not here; REPRO_SHARED names their folder")
        with path.open(newline="", encoding="utf-8") as stream:
            of_table = list(csv.DictReader(stream))
        assert len(of_table) == number
        found += of_table
    assert len({row["id"] for row in found}) == len(found) == 105
    return found


def manifest_of(row: dict[str, str]) -> Manifest:
    names = {name for pattern, name in MANIFEST_OF.items() if re.fullmatch(pattern, row["id"])}
    assert len(names) == 1, row["id"]
    return manifest.load(names.pop())


def file_of(row: dict[str, str]) -> File:
    wanted = RENAMED.get(row["id"], row["file"])
    found = [file for file in manifest_of(row).files if file.name == wanted or file.name.endswith(f"/{wanted}")]
    assert len(found) == 1, row["id"]
    return found[0]


def filed_rows() -> list[dict[str, str]]:
    kept = [row for row in rows() if row["id"] not in LEFT_OUT and row["id"] not in PAGES]
    assert len(kept) == 105 - len(LEFT_OUT) - len(PAGES) == 97
    return kept


def addresses(text: str) -> list[str]:
    return [address.rstrip(".,;)") for address in re.findall(r"https?://[^\s;]+", text)]


def test_every_row_is_filed_once_or_left_out_for_a_reason():
    places = [(manifest_of(row).name, file_of(row).name) for row in filed_rows()]
    # Only FMoW's unlabelled set shares its file with another row: it is the same archive.
    assert len(places) == 97 and len(set(places)) == 96
    every = {(name, file.name) for name in manifest.names() for file in manifest.load(name).files}
    assert every == {*places, ("densenet121", "densenet121-a639ec97.pth")}  # which torchvision's own source tells
    assert {row["id"] for row in rows()} >= {*LEFT_OUT, *PAGES, *RENAMED}


def test_sizes_and_hashes_agree_with_the_facts():
    checked = 0
    for row in filed_rows():
        file = file_of(row)
        size = row["bytes"]
        if size.startswith("~"):
            assert (file.bytes, file.bytes_approx) == (None, int(float(size[1:]))), row["id"]
        else:
            assert file.bytes == (int(size) if size else None), row["id"]
        for kind in ("md5", "sha256"):
            fact, prefix = row[kind], getattr(file, f"{kind}_prefix")
            assert (getattr(file, kind), prefix) == ((None, fact[7:]) if fact.startswith("prefix:") else (fact or None, None)), row["id"]
            checked += bool(fact)
        checked += bool(size)
    assert checked == 172


def test_first_address_is_the_facts_first():
    for row in filed_rows():
        file, m = file_of(row), manifest_of(row)
        if row["access"] == "manual":
            assert row["url"] == str(m.homepage)
        else:
            assert file.mirrors[0].url == row["url"], row["id"]


def test_every_further_address_stands_in_its_manifest():
    seen = 0
    for row in [row for row in rows() if row["id"] not in LEFT_OUT]:
        m = manifest_of(row)
        known = m.model_dump_json()
        file = None if row["id"] in PAGES else file_of(row)
        for address in addresses(f"{row['url']} ; {row['mirror_urls']}"):
            # The card of this copy is named in the facts; the manifest gives the file in it.
            assert address in known, (row["id"], address)
            if file and "byte-identical copy" in row["mirror_urls"] and address in row["mirror_urls"]:
                assert next(mirror for mirror in file.mirrors if mirror.url == address).identical
            seen += 1
    assert seen == 154


def test_a_mirror_with_other_bytes_is_marked():
    for row in filed_rows():
        identical = {mirror.url for mirror in file_of(row).mirrors if mirror.identical}
        for chunk in row["mirror_urls"].split(" ; "):
            if re.search(r"not byte-identical|\(webdataset|\(parquet|identity unverified", chunk):
                assert not identical & set(addresses(chunk)), row["id"]


def test_members_and_digits_of_other_hashes_agree_with_the_facts():
    layout = {row["id"]: row["layout_notes"] for row in filed_rows()}
    members = blobs = digits = 0
    for row in filed_rows():
        file = file_of(row)
        for path, md5 in file.members.items():
            assert md5 in layout[row["id"]], path
            members += 1
        known_blob = re.search(r"git blob(?: sha1)? ([0-9a-f]{40})", layout[row["id"]])
        assert file.git_blob == (known_blob.group(1) if known_blob else None), row["id"]
        known_digits = re.search(r"sha512 prefix ([0-9a-f]+)", layout[row["id"]])
        assert file.sha512_prefix == (known_digits.group(1) if known_digits else None), row["id"]
        assert len(re.findall(r"\b[0-9a-f]{32}\b", layout[row["id"]].replace("md5 ", " "))) == len(file.members), row["id"]
        blobs += bool(file.git_blob)
        digits += bool(file.sha512_prefix)
    assert (members, blobs, digits) == (13, 9, 4)


LICENCES = ("MIT", "CDLA-Permissive-1.0", "CC0", "CC BY 4.0", "CC BY-NC 4.0", "CC-BY-NC", "Apache-2.0", "BSD-3-Clause")
LICENCES += ("FMoW Challenge Public License", "fair-use notice", "ImageNet terms", "own licence", "not read", "none stated", "not stated")


def test_licences_agree_with_the_facts():
    checked = 0
    for row in filed_rows():
        told = file_of(row).licence or manifest_of(row).licence
        for licence in LICENCES:
            if licence in row["licence"]:
                assert licence.replace("CC-BY-NC", "CC BY-NC") in told, (row["id"], licence)
                checked += 1
    assert checked == 101


def test_copies_named_by_their_hub_id_stand_in_their_manifest():
    seen = 0
    for row in filed_rows():
        for copy in re.findall(r"HF ((?:timm|openai)/[\w.-]+)", row["mirror_urls"]):
            assert f"https://huggingface.co/{copy}" in {entry.url for entry in manifest_of(row).converted}, (row["id"], copy)
            seen += 1
    assert seen == 15


def test_breeds_lists_are_the_facts():
    path = shared("facts", "manifests", "breeds_splits.json")
    if path is None:
        pytest.skip("the collected facts are not here; REPRO_SHARED names their folder")
    assert (paths.manifests_dir() / "breeds_splits.json").read_bytes() == path.read_bytes()
