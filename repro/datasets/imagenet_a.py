"""ImageNet-A: natural photographs of 200 ImageNet classes that fooled a ResNet-50.

imagenet-a/<wnid>/*.jpg. Source: mlfoundations/wise-ft@58b7a4b src/datasets/imagenet_a.py.
"""

from __future__ import annotations

from repro.reading.imagenet import ClassFolders

VERSION = 1  # of the synthetic subset
FOLDERS = ClassFolders("imagenet-a", "imagenet-a", ".jpg", domain=11)
images, write_tiny, take_tiny = FOLDERS.images, FOLDERS.write_tiny, FOLDERS.take_tiny
