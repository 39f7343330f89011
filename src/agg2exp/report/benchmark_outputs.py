"""Files of a benchmark: its tables as CSV, Markdown and LaTeX, and pictures of curves."""

from __future__ import annotations

from collections.abc import Iterator

from agg2exp.domain import text as escape
from agg2exp.report.benchmark_study import BenchmarkStudy
from agg2exp.report.formats import as_text, latex, markdown, markdown_table
from agg2exp.report.outputs import Output, file_of


def methods(study: BenchmarkStudy) -> Iterator[Output]:
    """The table that compares the methods (paper, Table 1), with what may make them incomparable."""
    remarks = [f"- {escape.markdown(sentence)}\n" for sentence in study.all_remarks]
    yield "benchmark", study.table
    yield "benchmark.md", "\n".join([markdown(study.table, study.higher_is_better), *remarks])
    yield "benchmark.tex", latex(study.table, study.higher_is_better)


def classes(study: BenchmarkStudy) -> Iterator[Output]:
    """The same with a row per class."""
    yield "benchmark_per_class", study.by_class


def ranks(study: BenchmarkStudy) -> Iterator[Output]:
    """Rank of every method, if there are several."""
    if len(study.ranks):
        yield "ranks", study.ranks
        yield "ranks.md", markdown_table(*as_text(study.ranks)) + "\n"


def curves(study: BenchmarkStudy) -> Iterator[Output]:
    """Mean curves and a picture per data set, if a metric gave some."""
    if len(study.curves):
        yield "curves", study.curves
    for data, picture in study.pictures.items():
        yield picture_of(data), picture


def picture_of(data: str) -> str:
    """Name of the picture of a data set's curves."""
    return file_of(f"curves_{data}")


SECTIONS = (methods, classes, ranks, curves)


def benchmark_outputs(study: BenchmarkStudy) -> Iterator[Output]:
    """All files, in their order."""
    for section in SECTIONS:
        yield from section(study)
