"""Which data a job reads is said, not guessed."""

from pathlib import Path

import pytest

from tests.helpers.runs import run

CHOICES = ("data=phantom", "data=phantom_device", "data=totalsegmentator")


def refused(job: str, words: list[str], output: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(job, words, output).code == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("explain", []),
        ("explain", ["dry_run=true"]),
        ("explain", ["debug=tiny"]),
        ("explain", ["experiment=table1"]),
        ("explain", ["-m", "seed=1,2"]),
        ("train", []),
    ],
)
def test_a_folder_without_a_choice_of_data_is_refused_and_the_choices_are_named(job, words, tmp_path, capsys):
    said = refused(job, [*words, f"data.root={tmp_path / 'scans'}"], tmp_path / "run", capsys)
    assert "data.root: expected a choice of data beside it" in said
    assert all(choice in said for choice in CHOICES)
    assert not (tmp_path / "scans").exists()


def test_a_folder_among_several_values_is_seen_too(tmp_path, capsys):
    said = refused("explain", [f"data={{root: '{tmp_path / 'scans'}', limit: 1}}"], tmp_path / "run", capsys)
    assert "data.root: expected a choice of data beside it" in said
    assert not (tmp_path / "scans").exists()


@pytest.mark.parametrize("job", ["explain", "train"])
@pytest.mark.parametrize("words", [[], ["data.root="], ["data.root=null"], ["data.root=' '"]])
def test_a_missing_folder_is_said_in_one_sentence(job, words, tmp_path, capsys):
    said = refused(job, ["data=totalsegmentator", *words], tmp_path, capsys)
    assert "agg2exp: data.root: expected the folder of the data set, got" in said
    assert "Give data.root=<folder>." in said


def test_an_experiment_that_chooses_phantoms_writes_into_no_folder_of_somebody_else(tmp_path, capsys):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "scan").touch()
    said = refused("explain", ["experiment=demo", f"data.root={tmp_path / 'scans'}"], tmp_path / "run", capsys)
    assert "holds phantoms that were generated there" in said
    assert [path.name for path in (tmp_path / "scans").iterdir()] == ["scan"]
