"""Layouts of data sets on disk: each lists the records of its cases."""

from agg2exp.data.layouts.base import Layout
from agg2exp.data.records import CaseRecord
from agg2exp.domain.files import MaskFile

__all__ = ["CaseRecord", "Layout", "MaskFile"]
