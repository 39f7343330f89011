"""What an analysis says, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from agg2exp.domain.disclaimer import DISCLAIMER
from agg2exp.domain.text import markdown
from agg2exp.report.findings import Finding
from agg2exp.report.formats import as_text, markdown_table
from agg2exp.report.left_out import LeftOut


def analysis_markdown(
    data_sets: pd.DataFrame,
    findings: Sequence[Finding],
    written: Sequence[Path],
    left_out: Sequence[LeftOut],
) -> str:
    """The text of `analysis.md`: data sets, findings, pictures, and what was left out and why.

    Args:
        data_sets: A row per data set.
        findings: Title and table of each, already cut to what is worth reading.
        written: Files, relative to the text.
        left_out: Parts that the data do not allow.
    """
    blocks = ["# Analysis", DISCLAIMER, "## Data sets", markdown_table(*as_text(data_sets))]
    for title, rows, _ in findings:
        blocks += [f"## {markdown(title)}", markdown_table(*as_text(rows)) if len(rows) else "None."]
    blocks.append("## Pictures")
    blocks += [f"![{markdown(path.stem.replace('_', ' '))}]({link(path)})" for path in written if path.suffix == ".png"
              and "distributions" not in path.parts]  # fmt: skip
    blocks += ["## Files", "\n".join(f"- [{markdown(path.as_posix())}]({link(path)})" for path in written)]
    if left_out:
        rows = pd.DataFrame(left_out)
        blocks += ["## Left out", markdown_table(*as_text(rows))]
    return "\n\n".join(blocks) + "\n"


def link(path: Path) -> str:
    """A relative path as the target of a link, with blanks, brackets and what else a link may not have as `%…`."""
    return quote(path.as_posix(), safe="/=,+")
