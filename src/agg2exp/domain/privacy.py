"""What is about a patient."""

FEWEST_TOLD = 2
"""Patients below which a number over all of them is that of one, and does not leave this machine."""
