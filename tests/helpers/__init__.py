"""Toy networks and small data for the tests."""
