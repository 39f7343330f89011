"""Sliding windows: predictions, scores and input gradients, exact and in the memory of one window batch."""

from agg2exp.inference.head import check_head
from agg2exp.inference.network_check import check_network
from agg2exp.inference.network_pass import NetworkError, NonFiniteLogitsError
from agg2exp.inference.sliding_window import SlidingWindow, WindowPlan
from agg2exp.inference.windowed_model import WindowedModel

__all__ = [
    "NetworkError",
    "NonFiniteLogitsError",
    "SlidingWindow",
    "WindowPlan",
    "WindowedModel",
    "check_head",
    "check_network",
]
