"""Published data sets as examples: declared, read, checked, and tiny copies of them."""
