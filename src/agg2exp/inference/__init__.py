"""Sliding windows: predictions, scores and input gradients, exact and in the memory of one window batch."""

from agg2exp.inference.sliding_window import SlidingWindow, WindowPlan
from agg2exp.inference.windowed_model import NonFiniteLogitsError, WindowedModel

__all__ = ["NonFiniteLogitsError", "SlidingWindow", "WindowPlan", "WindowedModel"]
