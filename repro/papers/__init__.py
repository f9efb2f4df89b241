"""What papers say: reported numbers, their tables, the recipes of their rows, and which of our runs answer a cell."""
