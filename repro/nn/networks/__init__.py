"""Image towers, classifiers, and the files that their weights come from."""
