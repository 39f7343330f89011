"""Folders and files from elsewhere, written to have code run or other files overwritten, are data in every job."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from tests.helpers.runs import CASES, ONE_CASE, Finished, Tiny, run
from tests.helpers.stored_runs import stored_run

QUICK = ["forests=1", "jobs=1", "draws=100", "permutations=99"]
EXPLAIN = [*(word for word in ONE_CASE if word != "callbacks=tables"), "callbacks.slices=null", "metric=complexity"]


class Touch:
    """Touches the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.canary,)


def calls(canary: Path) -> list[Any]:
    """What would touch the canary if it were made, called, resolved, unpickled or evaluated."""
    pickled = canary.with_name("canary.pkl")
    pickled.write_bytes(pickle.dumps(Touch(canary)))
    touch = {"_target_": "pathlib.Path.touch", "_args_": [str(canary)]}
    return [
        touch,
        {"_target_": "hydra.utils.call", "_args_": [touch]},
        {"_target_": "agg2exp.store.atomic.Path.touch", "_args_": [str(canary)]},
        {"_target_": "pandas.read_pickle", "_args_": [str(pickled)]},
        {"_target_": "sympy.sympify", "_args_": [f"__import__('pathlib').Path('{canary}').touch()"]},
        f"${{canary:{canary}}}",
        f"\\${{canary:{canary}}}",
        f"${{oc.create:{{_target_: pathlib.Path.touch, _args_: ['{canary}']}}}}",
    ]


@pytest.fixture(scope="module")
def explained(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained") / "run"
    assert run("explain", tiny.explain(*EXPLAIN), folder).code == 0
    return folder


@pytest.fixture
def canary(tmp_path: Path):
    """A path at which nothing is; the resolver `canary` puts a file there."""
    OmegaConf.register_new_resolver("canary", lambda path: Path(path).touch(), replace=True)
    yield tmp_path / "canary"
    OmegaConf.clear_resolver("canary")


def hostile(explained: Path, folder: Path, call: Any, canary: Path) -> Path:
    """A copy of the run that names a call wherever its files name anything."""
    shutil.copytree(explained, folder)
    config = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    config["data"] |= {"root": call, "split": call, "cases": [call], "layout": call, "preprocessing": call}
    config |= dict.fromkeys(("attribution", "score", "module", "supervoxels", "paths", "hydra", "defaults"), call)
    (folder / "config.yaml").write_text(json.dumps(config))
    recorded = OmegaConf.to_container(OmegaConf.load(folder / ".hydra" / "hydra.yaml"), resolve=False)
    recorded["hydra"] |= {"searchpath": [str(canary.parent)], "run": {"dir": call}, "job_logging": call}
    (folder / ".hydra" / "hydra.yaml").write_text(json.dumps(recorded))
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps([str(call), f"hydra.run.dir={canary}"]))
    (folder / ".hydra" / "config.yaml").write_text(json.dumps(config))
    (folder / "environment.json").write_text(json.dumps({"python": call}))
    (folder / "failures").mkdir(exist_ok=True)
    failure = {"case_id": f"../../{canary.name}", "stage": "../x", "error": str(call), "traceback": str(call)}
    (folder / "failures" / "x-reading.json").write_text(json.dumps(failure))
    return folder


def tree(folder: Path, *, without: Path) -> dict[str, str]:
    """Digests of all files below a folder, but for those of one folder in it."""
    files = [path for path in folder.rglob("*") if path.is_file() and without not in path.parents]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("n", range(8))
def test_a_run_is_data_for_analyze_and_report(explained: Path, tmp_path: Path, canary: Path, n: int):
    call = calls(canary)[n]
    folder = hostile(explained, tmp_path / "run", call, canary)
    before = tree(tmp_path, without=tmp_path / "out")
    assert run("analyze", [*QUICK, f"runs={{x: {folder}}}"], tmp_path / "out" / "analysis").code == 0
    assert run("report", [f"runs={folder}"], tmp_path / "out" / "report").code == 0
    assert tree(tmp_path, without=tmp_path / "out") == before
    assert not canary.exists()


@pytest.mark.parametrize("n", [0, 5])
def test_a_run_is_data_when_it_goes_on(explained: Path, tiny: Tiny, tmp_path: Path, canary: Path, n: int):
    folder = hostile(explained, tmp_path / "run", calls(canary)[n], canary)
    before = tree(tmp_path, without=folder)
    words = [word if word != "data.limit=1" else "data.limit=2" for word in EXPLAIN]
    finished = run("explain", [*tiny.explain(*words), f"resume={folder}"], folder)
    assert finished.code in (0, 1)
    assert tree(tmp_path, without=folder) == before
    assert not canary.exists()


def refused(finished: Finished, said: str, message: str) -> None:
    assert finished.code == 1
    assert message in " ".join(said.split()) and "Traceback" not in said


def test_weights_and_what_lies_beside_them_are_data(tiny: Tiny, tmp_path: Path, canary: Path, capsys):
    model = tmp_path / "model"
    model.mkdir()
    torch.save(Touch(canary), model / "best.ckpt")
    for name in ("model.yaml", "config.yaml", "hydra.yaml", "best.yaml"):
        (model / name).write_text(json.dumps({"_target_": "pathlib.Path.touch", "_args_": [str(canary)]}))
    (model / "sitecustomize.py").write_text(f"open({str(canary)!r}, 'w')")
    before = tree(model, without=tmp_path / "out")
    finished = run("explain", [*tiny.explain(*EXPLAIN), f"model.weights={model / 'best.ckpt'}"], tmp_path / "explain")
    refused(finished, capsys.readouterr().err, "pickled objects are not loaded")
    words = [word for word in tiny.train() if not word.startswith("start=")]
    finished = run("train", [*words, f"start={model / 'best.ckpt'}"], tmp_path / "train")
    refused(finished, capsys.readouterr().err, "pickled objects are not loaded")
    assert tree(model, without=tmp_path / "out") == before
    assert not canary.exists()


def test_metadata_are_words(tmp_path: Path, canary: Path):
    folder = stored_run(tmp_path / "run", n=12)
    calls = [f"=cmd|'touch {canary}'!A1", f"${{canary:{canary}}}", f"!!python/object/apply:os.mkdir [{canary}]"]
    cells = [*calls, "../../../canary", "<script>", "[x](file:///)"]
    table = pd.DataFrame({"case": [f"c{i:05d}" for i in range(12)], cells[0]: [cells[i % 6] for i in range(12)]})
    table.to_csv(tmp_path / "meta.csv", index=False)
    before = tree(tmp_path, without=tmp_path / "out")
    words = [*QUICK, f"runs={{x: {folder}}}", f"metadata={tmp_path / 'meta.csv'}"]
    assert run("analyze", words, tmp_path / "out").code == 0
    assert tree(tmp_path, without=tmp_path / "out") == before
    assert not canary.exists()


def test_a_damaged_run_is_named_and_the_others_are_analysed_and_compared(explained: Path, tmp_path: Path, capsys):
    bad = tmp_path / "bad"
    shutil.copytree(explained, bad)
    for name in ("roi_importance", "metrics"):
        (bad / "tables" / f"{name}.parquet").write_bytes(b"PAR1 is not enough")
    named = f"runs={{good: {explained}, bad: {bad}}}"
    assert run("analyze", [*QUICK, named], tmp_path / "analysis").code == 0
    page = (tmp_path / "analysis" / "analysis.md").read_text()
    assert "bad" in page and "roi\\_importance" in page.replace("roi_importance", "roi\\_importance")
    assert (tmp_path / "analysis" / "good" / "summary.png").is_file()
    assert run("report", [named], tmp_path / "report").code == 0
    assert "is left out, since its tables are damaged" in (tmp_path / "report" / "benchmark.md").read_text()
    assert run("analyze", [*QUICK, named, "reference=bad"], tmp_path / "reference").code == 1
    assert run("analyze", [*QUICK, f"runs={{bad: {bad}}}"], tmp_path / "alone").code == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said and CASES[0] not in said.split("alone")[-1]
