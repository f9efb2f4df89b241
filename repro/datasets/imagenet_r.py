"""ImageNet-R: renditions of 200 ImageNet classes.

imagenet-r/<wnid>/*.jpg. Source: mlfoundations/wise-ft@58b7a4b src/datasets/imagenet_r.py.
"""

from __future__ import annotations

from repro.reading.imagenet import ClassFolders

VERSION = 1  # of the synthetic subset
FOLDERS = ClassFolders("imagenet-r", "imagenet-r", ".jpg", domain=10)
images, write_tiny, take_tiny = FOLDERS.images, FOLDERS.write_tiny, FOLDERS.take_tiny
