"""Measurements and validations that are run by hand; their figures are committed beside them."""
