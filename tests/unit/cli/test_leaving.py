"""What may leave is what is known to be harmless; everything else stays."""

import logging

import pytest
from omegaconf import OmegaConf

from agg2exp.cli.leaving import harmless, is_harmless, names_may_leave, told


@pytest.mark.parametrize(
    "text",
    [
        "agg2exp.scores.SumScore", "test", "phantom/smoothgrad", "phantom/captum/slic", "heart", "all",
        "smoothgrad attribution.n_samples=20", "explain-2026-11-28_12-00-00", "3", "",
    ],
)  # fmt: skip
def test_words_of_agg2exp_and_short_numbers_are_harmless(text: str):
    assert is_harmless(text) and told(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "/data", "/data/test", "data.root=/data/test", "~/data", "C:\\data", "\\\\server\\data", "../data", "a/",
        "mueller", "mueller_hans", "heart of mueller", "s0011", "19530412", "12345", "Köln", "unet\nmueller", "file:///data",
        "phantom data.root=/b", "extra_masks.m=/data/{case}.nii.gz", "data/..",
    ],
)  # fmt: skip
def test_paths_and_names_of_the_user_are_not(text: str):
    assert not is_harmless(text) and told(text) == "own"


def test_settings_leave_as_far_as_they_are_harmless():
    settings = {
        "seed": 3,
        "mueller": 1,
        "classes": ["heart", "aorta"],
        "data": {"_target_": "agg2exp.run.datamodule.CaseDataModule", "root": "/mueller", "split": "test",
                 "limit": None, "cases": [1001, "s0001"], "extra_masks": {"mueller": "{case}/m.nii.gz"}},
        "highlight": {"case": 17, "target": "heart"},
        "metadata": 5,
        "columns": {"patient": "name", "case": None},
        "model": {"spacing": [1.5, 1.5, float("nan")], "weights": "mueller.ckpt", "size": [64, 64, 64]},
        "runs": {"mueller": "/a"},
        "paths": {"output": "/runs/mueller"},
        "windows": {},
        "score": {"_target_": "mueller.Score", "weight": float("inf")},
    }  # fmt: skip
    assert harmless(settings) == {
        "seed": 3,
        "classes": ["heart", "aorta"],
        "data": {"_target_": "agg2exp.run.datamodule.CaseDataModule", "split": "test", "limit": None},
        "highlight": {"target": "heart"},
        "model": {"size": [64, 64, 64]},
        "windows": {},
    }


def test_names_of_data_sets_leave_if_they_are_given_or_harmless(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        assert names_may_leave(["phantom/smoothgrad"], "runs/explain")
        assert names_may_leave(["mueller"], OmegaConf.create({"mueller": "/a"}))
        assert not caplog.records
        assert not names_may_leave(["phantom/smoothgrad", "mueller"], "/data/mueller.csv")
    assert "names may be those of your own files: mueller. Name the data sets" in caplog.text
