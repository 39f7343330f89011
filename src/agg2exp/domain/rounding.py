"""What counts as equal."""

ROUNDING = 1e-12
"""Relative; equal values and their mean differ by less."""
