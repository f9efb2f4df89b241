"""Figures: the numbers behind them, what is drawn, files."""
