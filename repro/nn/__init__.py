"""The only part that imports torch: networks, images, the loop, the judge."""
