"""ImageNet-Sketch: sketches of the 1,000 ImageNet classes.

sketch/<wnid>/*.JPEG. Source: mlfoundations/wise-ft@58b7a4b src/datasets/imagenet_sketch.py.
"""

from __future__ import annotations

from repro.reading.imagenet import ClassFolders

VERSION = 1  # of the synthetic subset
FOLDERS = ClassFolders("imagenet-sketch", "sketch", ".JPEG", domain=12)
images, write_tiny, take_tiny = FOLDERS.images, FOLDERS.write_tiny, FOLDERS.take_tiny
