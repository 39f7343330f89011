"""Synthetic labelled CT scans of the thorax: data for demo, tests and training without any download."""

from agg2exp.data.phantom.cohort import PhantomCohort
from agg2exp.data.phantom.phantom import Phantom, make_phantom

__all__ = ["Phantom", "PhantomCohort", "make_phantom"]
