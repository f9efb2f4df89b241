"""Readers of published data sets, one file each, named as their manifests are.

A reader knows the official layout and nothing of benchmarks: which files, which columns, which numbers. Beside its own reading
functions each has `VERSION`, `write_tiny(root)`, which writes a synthetic tiny subset in exactly that layout, and
`take_tiny(source, root)`, which makes a real one out of a full copy.
"""
