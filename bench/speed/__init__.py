"""What `python -m bench` measures: each file here is a case, a function `measure(device)` that yields `Ratio`s."""
