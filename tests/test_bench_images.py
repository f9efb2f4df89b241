"""bench/images.py: a pack's JPEG files arrive byte for byte where they are wanted, and a folder with others in it is refused."""

from pathlib import Path

import numpy as np
import pytest

from bench import images


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Eleven made-up files: labels 0, 1, 0, 1, …, names as bytes, as the real packs have them."""
    files = [bytes([number]) * (number + 1) for number in range(11)]
    offsets = np.cumsum([0, *map(len, files)])
    path = tmp_path / "pack.npz"
    np.savez(
        path,
        data=np.frombuffer(b"".join(files), np.uint8),
        offsets=offsets,
        labels=np.arange(11, dtype=np.uint8) % 2,
        classes=np.array([b"cat", b"dog"]),
    )
    return path


def test_wanted_labels_are_written_byte_for_byte(pack, tmp_path):
    images.lay_out(pack, {"cat": images.Wanted(tmp_path / "d" / "cat", 2), "dog": images.Wanted(tmp_path / "d" / "hound")})
    written = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in (tmp_path / "d").rglob("*.jpg")}
    cats = {f"d/cat/{number:02d}.jpg": bytes([number]) * (number + 1) for number in (0, 2)}
    dogs = {f"d/hound/{number:02d}.jpg": bytes([number]) * (number + 1) for number in (1, 3, 5, 7, 9)}
    assert written == cats | dogs


def test_a_folder_with_other_images_is_refused(pack, tmp_path):
    images.lay_out(pack, {"cat": images.Wanted(tmp_path / "d" / "cat")})
    images.check_counts({tmp_path / "d": 6})
    (tmp_path / "d" / "cat" / "more.jpg").touch()
    with pytest.raises(SystemExit, match="holds 7 images, not 6"):
        images.check_counts({tmp_path / "d": 6})


def test_settings_are_spelled_per_method():
    assert images.settings(["a=1"], ["b=2"], {"ft": "1,2", "lp-ft": "3"}) == [
        *("--set", "a=1", "--set", "ft.b=2", "--set", "ft.lr=1,2"),
        *("--set", "lp-ft.b=2", "--set", "lp-ft.lr=3"),
    ]
