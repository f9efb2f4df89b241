"""ImageNetV2: a new test set for ImageNet, of which the papers use the images of matched frequency.

imagenetv2-matched-frequency-format-val/<label>/*.jpeg: folders are named by the label, 0 to 999, not in the order of text.
Source: modestyachts/ImageNetV2_pytorch@14d4456 imagenetv2_pytorch/ImageNetV2_dataset.py.
"""

from __future__ import annotations

from repro.reading.imagenet import ClassFolders

VERSION = 1  # of the synthetic subset
FOLDERS = ClassFolders("imagenetv2", "imagenetv2-matched-frequency-format-val", ".jpeg", domain=9, numbered=True)
images, write_tiny, take_tiny = FOLDERS.images, FOLDERS.write_tiny, FOLDERS.take_tiny
