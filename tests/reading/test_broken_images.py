"""Missing and unreadable images: all are named, each kind in its own words, and nothing is left of the pack."""

from pathlib import Path

import pytest
from image_files import broken_files, examples, write_images

from repro.errors import UserError
from repro.nn.inputs import packs
from repro.reading.broken_images import Broken, BrokenImages


def failure(sources: list[Path], folder: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        packs.build(folder, examples(sources), packs.Resize(side=16, mode="crop"), lambda done: None, "train")
    return caught.value


@pytest.mark.parametrize("threads", [1, 3])
def test_every_broken_image_is_named_and_nothing_is_left(tmp_path: Path, threads: int) -> None:
    (tmp_path / "images").mkdir()
    broken, good = broken_files(tmp_path / "images"), write_images(tmp_path / "images")
    error = failure([good[0], *broken, good[1]], tmp_path / "packs" / "p")
    missing, unreadable = error.what.split("; ")
    assert missing == f"1 of 8 images named by train are not on disk: {tmp_path}/images/missing.jpg"
    assert unreadable.startswith("5 of 8 images of train cannot be read: ")
    assert unreadable.split(": ")[1].split(", ") == [str(path) for path in broken if path.name != "missing.jpg"]
    assert "cannot identify image file" in error.why and "moved or never unpacked" in error.why
    assert error.cure == "put back or replace them, then run the same command again"
    assert [path for path in (tmp_path / "packs").iterdir() if path.suffix != ".lock"] == []
    assert all("\n" not in line for line in error.lines())


def test_one_kind_alone_has_its_own_cure(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    good = write_images(tmp_path)
    unreadable = failure([*good, tmp_path / "text.jpg"], tmp_path / "p")
    assert unreadable.cure.startswith("replace or remove it,") and "never unpacked" not in unreadable.why
    missing = failure([*good, tmp_path / "a.jpg", tmp_path / "text.jpg" / "b.jpg"], tmp_path / "p")
    assert missing.what == f"2 of 9 images named by train are not on disk: {tmp_path}/a.jpg, {tmp_path}/text.jpg/b.jpg"
    assert missing.cure.startswith("put them back,") and "truncated" not in missing.why


def test_many_are_counted_and_a_file_lists_them_all(tmp_path: Path) -> None:
    train = [Broken(f"/data/{number}.jpg", "is cut", False) for number in range(1200)]
    test = [Broken("/data/gone.jpg", "no such file", True)]
    errors = [BrokenImages({"train": (train, 5000)}), BrokenImages({"id_test": (test, 10)})]
    error = BrokenImages.together(errors, "repro data verify fmow --full", tmp_path / "broken-images.txt")
    first, second, where = error.what.split("; ")
    assert first == "1,200 of 5,000 images of train cannot be read: " + ", ".join(f"/data/{n}.jpg" for n in range(5)) + " and 1,195 more"
    assert second == "1 of 10 images named by id_test are not on disk: /data/gone.jpg"
    assert where == f"all are listed in {tmp_path}/broken-images.txt"
    lines = (tmp_path / "broken-images.txt").read_text().splitlines()
    assert len(lines) == 1201
    assert lines[0] == "train\tunreadable\t/data/0.jpg\tis cut" and lines[-1] == "id_test\tmissing\t/data/gone.jpg\tno such file"
    assert error.cure == "repro data verify fmow --full, then run the same command again"
