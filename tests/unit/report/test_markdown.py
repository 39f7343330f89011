"""The text of an analysis: what users named is text in it, and its links lead to the files."""

import re
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from agg2exp.report.findings import Finding
from agg2exp.report.left_out import LeftOut
from agg2exp.report.markdown import analysis_markdown, link

NAMES = ["data set (1)/graph.png", "a[b]/heat map.png", "50%25/x#y?.png", "v:1/<b>.png", "tsv2/graph.png"]


def made(paths: list[str], name: str = "a") -> str:
    rows = pd.DataFrame({"case": [name], "normality": [-0.5]})
    left_out = [LeftOut(name, "graph", f"reason of {name}")]
    return analysis_markdown(
        pd.DataFrame({"data set": [name]}), [Finding(f"{name}: Outliers", rows)], [*map(Path, paths)], left_out
    )


@pytest.mark.parametrize("path", NAMES)
def test_links_lead_to_their_files_whatever_these_are_called(path: str):
    targets = re.findall(r"(?<!\\)\]\(([^()<> ]*)\)", made([path]))
    assert [unquote(target) for target in targets] == [path, path]  # a picture and a file
    assert not re.match(r"\w+:", link(Path(path)))


def test_links_of_ordinary_files_are_their_paths():
    assert "![heat map](tsv2-smoothgrad/heat_map.png)" in made(["tsv2-smoothgrad/heat_map.png"])
    assert "- [a=1,b/graph.csv](a=1,b/graph.csv)" in made(["a=1,b/graph.csv"])


@pytest.mark.parametrize("name", ["[x](http://y.z)", "<script>", "a|b", "*a*", "\x1b[31m", "a\nb", "`a`", "$a$"])
def test_names_are_no_markup(name: str):
    text = made(["graph.png"], name)
    assert name not in text
    assert all(line.count("|") - line.count(r"\|") in (0, 2, 3, 4) for line in text.splitlines())
    assert "<script>" not in text and not re.search(r"(?<!\\)\]\(http", text) and "\x1b" not in text
