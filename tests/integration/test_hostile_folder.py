"""A folder of somebody else keeps every byte, whichever job is pointed at it, by whichever setting."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.helpers import cases
from tests.helpers.runs import run

CHEAP = ["attribution=vanilla_gradient", "callbacks=tables", "logger=none", "trainer=cpu"]


def checksums(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans under the names that phantoms have, results, tables and notes of somebody else."""
    folder = tmp_path_factory.mktemp("theirs")
    cases.write_data_set(folder, {"s0001": "test", "s0002": "train", "s0003": "val"})
    for name in ("s0004/dicom/1.dcm", "failures.csv", "phantom.json", "labels/scan.nii.gz", "cases/s1.safetensors",
                 ".hydra/config.yaml", "multirun.yaml", "config.yaml", "failures/a.json", "explain.log"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    return folder


DATA = {
    "forgotten": [],
    "phantoms": ["data=phantom"],
    "device": ["data=phantom_device"],
    "demo": ["experiment=demo"],
    "table1": ["experiment=table1"],
    "tiny": ["debug=tiny"],
    "bias": ["experiment=planted_bias"],
}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("more", [[], ["dry_run=true"]], ids=["run", "dry run"])
def test_data_of_somebody_else_in_explain(data: str, more: list[str], theirs: Path, tmp_path: Path, capsys):
    before = checksums(theirs)
    ended = run("explain", [*CHEAP[2:], *DATA[data], *more, f"data.root={theirs}"], tmp_path / "run")
    assert ended.code == 1
    assert "agg2exp: data.root: expected" in capsys.readouterr().err
    assert checksums(theirs) == before


@pytest.mark.parametrize("data", [[], ["data=phantom"], ["data=phantom_device"], ["experiment=train_phantom_unet"]])
def test_data_of_somebody_else_in_train(data: list[str], theirs: Path, tmp_path: Path, capsys):
    before = checksums(theirs)
    assert run("train", [*data, f"data.root={theirs}", "trainer.accelerator=cpu"], tmp_path / "run").code == 1
    assert "data.root: expected" in capsys.readouterr().err
    assert checksums(theirs) == before


@pytest.mark.parametrize("split", ["test", "null", "nonsense"])
def test_data_read_as_they_are_stay_as_they_are(split: str, theirs: Path, tmp_path: Path):
    cases.write_toy_model(tmp_path / "conf")
    before = checksums(theirs)
    words = [
        "--config-dir",
        str(tmp_path / "conf"),
        "model=toy",
        "data=totalsegmentator",
        "data/merge=toy",
        f"data.root={theirs}",
    ]
    ended = run("explain", [*words, *CHEAP, f"data.split={split}", f"paths.cache={tmp_path / 'c'}"], tmp_path / "run")
    done = sorted(path.stem for path in (tmp_path / "run" / "cases").glob("*"))
    assert (ended.code, done) == {
        "test": (0, ["s0001"]),
        "null": (0, ["s0001", "s0002", "s0003"]),
        "nonsense": (1, []),
    }[split]
    assert checksums(theirs) == before


@pytest.mark.parametrize("job", ["explain", "train", "analyze", "report"])
@pytest.mark.parametrize(
    "setting", ["output", "output -m", "hydra.run.dir", "hydra.sweep.dir", "paths.output", "hydra.sweep.subdir"]
)
def test_a_folder_of_somebody_else_is_no_folder_for_a_run(
    job: str, setting: str, theirs: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    before = checksums(theirs)
    words = {"analyze": ["runs=x"], "report": ["runs=x"]}.get(job, ["data=phantom"])
    words = ["-m", *words] if "sweep" in setting or "-m" in setting else words
    setting = setting.removesuffix(" -m")
    monkeypatch.setattr("tests.helpers.runs.override", lambda *_: f"{setting}={theirs}")
    assert run(job, words, tmp_path / "run").code == 1
    said = capsys.readouterr().err
    assert f"agg2exp: {setting}: expected a folder" in said
    assert "Traceback" not in said
    assert checksums(theirs) == before


@pytest.mark.parametrize("setting", ["resume", "output"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{theirs}", ("It holds no run", "holds .hydra, cases, config.yaml and")),
        ("{theirs}/s0001", ("It holds no run", "nothing was changed")),
        ("{theirs}/meta.csv", ("There is no such folder", "meta.csv is no folder")),
        ("{theirs}/meta.csv/below", ("There is no such folder", "meta.csv is no folder")),
        ("", ("the folder of an earlier run, got ''", "a folder for the run, got ''")),
        ("' '", ("the folder of an earlier run, got ' '", "a folder for the run, got ' '")),
    ],
)
def test_resume_and_output_name_the_folder_of_a_run(
    setting: str, value: str, said: tuple[str, str], theirs: Path, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = checksums(theirs)
    monkeypatch.setattr("tests.helpers.runs.override", lambda *_: f"{setting}={value.format(theirs=theirs)}")
    assert run("explain", ["data=phantom"], tmp_path / "run").code == 1
    text = capsys.readouterr().err
    assert f"agg2exp: {setting}: expected" in text
    assert said[setting == "output"] in text
    assert len(text.strip().splitlines()) == 1
    assert checksums(theirs) == before
    assert list(tmp_path.iterdir()) == []
