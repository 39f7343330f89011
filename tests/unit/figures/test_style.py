from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from agg2exp.domain.disclaimer import DISCLAIMER
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.figures import style


def picture() -> Figure:
    figure = style.new_figure(3, 2, "a title")
    figure.add_subplot().plot([0, 1], [1, 0])
    return figure


def with_counts(count: list[int]) -> GlobalImportance:
    n = np.array([count])
    mean = np.where(n > 0, 0.5, np.nan)
    names = tuple(f"s{i}" for i in range(len(count)))
    return GlobalImportance(Kind.IMPORTANCE, names[:1], names, mean, n, mean, mean, mean)


def test_two_saves_of_one_figure_and_of_its_twin_give_the_same_bytes(tmp_path):
    figure = picture()
    for name, this in (("a", figure), ("b", figure), ("c", picture())):
        style.save(this, tmp_path / f"{name}.png")
    first, *others = (p.read_bytes() for p in sorted(tmp_path.iterdir()))
    assert first.startswith(b"\x89PNG")
    assert b"Date" not in first
    assert b"Software" not in first
    assert others == [first, first]


def test_a_failing_save_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    def half_a_file(self, target, **_):
        target.write_bytes(b"\x89PNG half")
        raise OSError(28, "No space left on device")

    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Figure, "savefig", half_a_file)
    with pytest.raises(OSError, match="No space left"):
        style.save(picture(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]
    assert path.read_bytes() == b"old"


def test_a_save_makes_its_folder(tmp_path):
    style.save(picture(), tmp_path / "new" / "figure.png")
    assert (tmp_path / "new" / "figure.png").is_file()


def test_pyplot_knows_nothing_of_our_figures(tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    style.save(picture(), tmp_path / "figure.png")
    assert pyplot.get_fignums() == before


def test_every_figure_carries_the_disclaimer():
    assert DISCLAIMER in [text.get_text() for text in picture().findobj(match=lambda a: hasattr(a, "get_text"))]
    for claim in ("association", "not anatomy", "not causation", "not for diagnosis"):
        assert claim in DISCLAIMER


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([3, 32, 7], "n = 3 to 32 cases"),
        ([5, 5], "n = 5 cases"),
        ([1, 1], "n = 1 case"),
        ([0, 4], "n = 4 cases"),
        ([0, 0], "n = 0 cases"),
    ],
)
def test_case_counts_leave_out_entries_without_value(counts, text):
    assert style.case_counts(with_counts(counts)) == text


def test_ink_contrasts_with_every_background():
    def luminance(colour):
        rgb = np.asarray(to_rgb(colour))
        return float(np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))

    for background in np.random.default_rng(0).random((200, 3)):
        light, dark = sorted((luminance(background), luminance(style.ink_on(tuple(background)))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 3.9
