"""What a run says at its end."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agg2exp.cli.summary import write_summary
from agg2exp.domain.case import Failure
from agg2exp.domain.disclaimer import DISCLAIMER
from agg2exp.domain.prediction import Prediction
from agg2exp.models.checkpoint import trained_on
from agg2exp.run.roi_importance import RoIImportanceWriter
from agg2exp.store.tables import GLOBAL_IMPORTANCE, read_tables
from tests.helpers.case_regions import overlapping_labels
from tests.helpers.explanations import SHAPE, collected, scheme, small_case, small_explanation

FAILURE = Failure("b", "reading", "case b: expected a NIfTI file at [b/ct.nii.gz], found none.", "Traceback")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    labels = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(5)).to(torch.int16)
    case = small_case(labels=labels, annotated=(True,) * 4)
    writer = RoIImportanceWriter(tmp_path, by_distance=False)
    writer.write_case(scheme(), case, small_explanation(case, absent=(2,)))
    collected(tmp_path, ["a"], pictures=False)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_strongest_edge_is_named_without_background_and_self_importance(output: Path, capsys):
    write_summary(output, ["a"], {"a"}, [])
    text = said(capsys)
    frame = read_tables(output / "tables", [GLOBAL_IMPORTANCE])[GLOBAL_IMPORTANCE]
    between = frame[
        (frame["kind"] == "importance")
        & (frame["source"] != frame["target"])
        & ~frame["source"].eq("background")
        & ~frame["target"].eq("background")
    ]
    best = between.loc[between["mean"].idxmax()]
    first = next(cells for cells in (row.split("│") for row in text.split("┩")[1].split("└")) if len(cells) > 3)
    assert [c.strip() for c in first[1:4]] == [best.source, best.target, f"{best['mean']:.1%}"]
    assert "│ background │" not in text
    assert "1 of 1 cases explained." in text
    assert "predicted in no case (their rows are NaN): heart" in text
    assert "mean Dice over annotated structures: 0." in text
    assert DISCLAIMER in text


def test_background_is_no_structure_whatever_classes_were_chosen(tmp_path: Path, capsys):
    labels = torch.zeros(SHAPE, dtype=torch.int16)  # nearly all of the volume
    labels[1:3, 1:3, 1:3], labels[3:, 3:, 3:] = 1, 3
    case = small_case(labels=labels, annotated=(True,) * 4)
    writer = RoIImportanceWriter(tmp_path, by_distance=False)
    writer.write_case(scheme(), case, small_explanation(case, classes=(3, 1)))
    collected(tmp_path, ["a"], pictures=False)
    write_summary(tmp_path, ["a"], {"a"}, [])
    assert "│ background │" not in said(capsys)


def test_the_first_of_overlapping_regions_is_a_structure(tmp_path: Path, capsys):
    """Background, which is no class of such a model, is the first source all the same."""
    case = small_case()
    explanation = small_explanation(case, classes=(0, 1, 2))
    logits = torch.ones(3, *SHAPE)
    logits[1, :, :, 3:] = logits[2, 4:] = -1
    writer, labels = RoIImportanceWriter(tmp_path, by_distance=False), overlapping_labels(3)
    prediction = Prediction.from_logits(logits, "sigmoid")
    writer.write_case(labels, case, replace(explanation, prediction=prediction))
    collected(tmp_path, ["a"], pictures=False)
    write_summary(tmp_path, ["a"], {"a"}, [])
    text = said(capsys)
    assert "│ region_1 │ region_2 │ 100.0%" in " ".join(text.split())
    assert "│ background │" not in text


def test_background_alone_has_no_edges_between_structures(tmp_path: Path, capsys):
    case = small_case(annotated=(True,) * 4)
    writer = RoIImportanceWriter(tmp_path, by_distance=False)
    writer.write_case(scheme(), case, small_explanation(case, classes=(0,)))
    collected(tmp_path, ["a"], pictures=False)
    write_summary(tmp_path, ["a"], {"a"}, [])
    assert "Strongest edges" not in said(capsys)


def test_only_places_that_exist_are_named(output: Path, capsys):
    write_summary(output, ["a"], {"a"}, [])
    text = said(capsys)
    assert f"{output}/tables/*.parquet" in text
    assert "volumes" not in text
    assert "failures.csv" not in text


def test_failures_are_told_in_their_own_words(output: Path, capsys):
    (output / "failures.csv").touch()
    write_summary(output, ["a", "b"], {"a"}, [FAILURE])
    text = said(capsys)
    assert "1 of 2 cases explained." in text
    assert f"failed while reading: {FAILURE.error}" in text
    assert f"{output}/failures.csv" in text


def test_run_without_any_finished_case(tmp_path: Path, capsys):
    write_summary(tmp_path, ["b"], set(), [FAILURE])
    text = said(capsys)
    assert "0 of 1 cases explained." in text
    assert "Strongest edges" not in text


@pytest.mark.parametrize("weights", ["shipped:unet_phantom.safetensors", "mine.safetensors"])
def test_a_poor_segmentation_is_said_with_what_the_weights_know(output: Path, capsys, weights: str):
    write_summary(output, ["a"], {"a"}, [], trained_on(weights))
    text = said(capsys)
    assert "The model does not know such data" in text
    assert ("These weights were trained on phantoms." in text) == weights.startswith("shipped:")


def test_a_good_segmentation_needs_no_such_words(tmp_path: Path, capsys):
    case = small_case()
    writer = RoIImportanceWriter(tmp_path, by_distance=False)
    explanation = small_explanation(case)
    right = replace(case, annotation=explanation.prediction.masks, annotated=(True,) * 4)
    writer.write_case(scheme(), right, explanation)
    collected(tmp_path, ["a"], pictures=False)
    write_summary(tmp_path, ["a"], {"a"}, [], trained_on("shipped:unet_phantom.safetensors"))
    text = said(capsys)
    assert "mean Dice over annotated structures: 1.000" in text
    assert "trained on" not in text
