"""`agg2exp analyze` over stored runs: everything written, what is planted found, what is impossible named."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from PIL import Image

from agg2exp.aggregation.global_importance import global_importance
from agg2exp.analysis.outliers import outlier_table
from agg2exp.cli.application import JobError
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.data_sets import read_data_sets
from agg2exp.cli.scans import read_scan
from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.importance_graph import importance_graph
from agg2exp.figures.style import save
from agg2exp.report.outlier_slices import outlier_slices
from tests.helpers.runs import CASES, Finished, Tiny, run
from tests.helpers.stored_runs import CLASSES, NODULE, drawn_importance, read_runs, stored_run
from tests.integration.test_wandb import of_type, recorded

QUICK = ["forests=2", "jobs=1", "draws=100", "permutations=1999"]
PER_DATA_SET = {
    "presence.csv", "graph.csv", "graph.png", "graph.graphml", "graph_beyond_distance.csv", "graph_beyond_distance.png",
    "graph_beyond_distance.graphml", "poor_regions.csv", "outliers.csv", "outliers_and_dice.csv", "outlier_slices.csv",
    "summary.csv", "summary.png", "heat_maps", "distributions",
}  # fmt: skip
CSV = "AGG2EXP_REAL_DATA"


def analyze(output: Path, *words: str) -> Finished:
    return run("analyze", [*QUICK, *words], output)


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, each by its own method, of the same patients; others whose aorta relies on the heart much more."""
    folder = tmp_path_factory.mktemp("analysis")
    smooth = stored_run(folder / "smooth", by_distance=True)
    vanilla = stored_run(folder / "vanilla", attribution="vanilla_gradient", model="other", seed=0)
    other = drawn_importance(20, len(CLASSES), seed=5)
    other[:, 1, 2] += 0.2
    other[:, 1, 1] -= 0.2
    other = np.clip(other, 0.01, None)
    other /= other.sum(axis=2, keepdims=True)
    far = stored_run(folder / "far", n=20, root="/data/elsewhere", importance=other)
    (folder / "meta.csv").write_text(
        "image_id;age;institute\n" + "\n".join(f"c{i:05d};{40 + i};hospital_{i % 2}" for i in range(20))
    )
    named = f"runs={{smooth: {smooth}, vanilla: {vanilla}, far: {far}}}"
    words = [f"metadata={{smooth: {folder / 'meta.csv'}}}", "logger=wandb", "order=clustered"]
    assert analyze(folder / "out", named, *words).code == 0
    return folder / "out"


def test_every_picture_has_its_numbers_beside_it(analysed: Path):
    for name in ("smooth", "vanilla", "far"):
        assert {p.name for p in (analysed / name).iterdir()} - {"outliers_and_metadata.csv"} == PER_DATA_SET
        assert len([*(analysed / name / "distributions").glob("*.png")]) == len(CLASSES)
        kinds = {p.stem for p in (analysed / name / "heat_maps").glob("*.png")}
        assert kinds == {
            "importance", "importance_positive", "importance_negative", "enrichment_body", "expected_by_distance",
        }  # fmt: skip
    pictures = [p for p in analysed.rglob("*.png") if "wandb" not in p.parts]
    assert len(pictures) >= 3 * 14
    for picture in pictures:
        assert picture.with_suffix(".csv").is_file(), picture
        assert min(Image.open(picture).size) > 300
    across = {p.name for p in analysed.iterdir() if p.suffix in (".csv", ".png")}
    changes = {"change_smooth_to_far.csv", "change_smooth_to_far.png"}
    assert across == {"context.csv", "context.png", "dice.csv", "dice_differences.csv", "agreement.csv"} | changes


def test_what_was_planted_is_found(analysed: Path):
    edges = pd.read_csv(analysed / "smooth" / "graph_beyond_distance.csv").set_index(["source", "target"])
    found = edges[edges["p_adjusted"] <= 0.05].index.tolist()
    assert ("heart", "aorta") in found and len(found) <= 2
    drawn = nx.read_graphml(analysed / "smooth" / "graph_beyond_distance.graphml")
    assert set(drawn.edges) == set(found)
    assert drawn.edges["heart", "aorta"]["p_value"] == edges.loc[("heart", "aorta"), "p_adjusted"]
    change = pd.read_csv(analysed / "change_smooth_to_far.csv").set_index(["target", "source"])
    changed = change[change["p_adjusted"] <= 0.05]
    assert set(changed.index) == {("aorta", "heart"), ("aorta", "aorta")}
    assert changed.loc[("aorta", "heart"), "cliffs_delta"] > 0.9
    agreement = pd.read_csv(analysed / "agreement.csv")  # the same numbers under two names
    assert agreement[["first", "second"]].drop_duplicates().to_numpy().tolist() == [["smooth", "vanilla"]]
    assert agreement["rho"].tolist() == pytest.approx([1, 1])
    presence = pd.read_csv(analysed / "smooth" / "presence.csv").set_index("source")
    assert presence.loc[NODULE, ["patients", "supplied", "present"]].tolist() == [24, 16, 8]
    assert presence.loc["ribs", ["extra_mask", "present"]].tolist() == [False, 24]


def test_missing_metadata_are_counted(analysed: Path):
    table = pd.read_csv(analysed / "smooth" / "outliers_and_metadata.csv")
    assert set(table["column"]) == {"age", "institute"}
    totals = table[["inliers", "outliers", "missing_inliers", "missing_outliers"]].sum(axis=1)
    assert (totals == 24).all()
    assert (table["missing_inliers"] + table["missing_outliers"] == 4).all()
    assert not (analysed / "far" / "outliers_and_metadata.csv").exists()


def test_the_page_has_findings_pictures_and_what_was_left_out(analysed: Path):
    page = (analysed / "analysis.md").read_text()
    assert (
        "| smooth | 24 | 24 | 6 | 1 | 0 | 4 |" in page
    )  # data set, cases, patients, classes, extra, without Dice, meta
    assert "## smooth: Edges beyond distance alone (untrained networks have such edges too" in page
    assert "not causation" in page
    assert "| vanilla, far | change | expected data sets that were made with the same settings" in page
    assert "there are no scans" in page or "expected its prediction" in page  # slices of cases whose scans are nowhere
    for link in [part.split(")")[0] for part in page.split("](")[1:]]:
        assert (analysed / link).is_file(), link


def logged(output: Path) -> str:
    """The records of the W&B run, after a look for what is about a single patient in them and in its files."""
    records = recorded(output)
    text = json.dumps(records)
    (folder,) = output.glob("wandb/offline-run-*/files")
    for word in ("c00001", "hospital_", "institute", "meta.csv", "summary.", "outlier_slices", "distributions/"):
        assert word not in text
        for path in folder.rglob("*"):
            assert path.is_dir() or word.encode() not in path.read_bytes(), path
    assert [e.get("exit_code", 0) for e in of_type(records, "exit")] == [0]
    return text


def test_nothing_of_a_patient_is_logged(analysed: Path):
    text = logged(analysed)
    assert "heat_maps/importance" in text and "agreement" in text


def test_names_and_arguments_that_the_user_chooses_let_nothing_of_a_patient_out(tmp_path: Path):
    run = stored_run(tmp_path / "run", n=12)
    (tmp_path / "meta.csv").write_text(
        "image_id,age,institute\n" + "\n".join(f"c{i:05d},{40 + i},hospital_{i % 2}" for i in range(12))
    )
    words = [f"metadata={tmp_path / 'meta.csv'}", "highlight.case=c00001", "logger=wandb"]
    assert analyze(tmp_path / "out", f"runs={{change_site: {run}}}", *words).code == 0
    assert (tmp_path / "out" / "change_site" / "outliers_and_metadata.csv").is_file()
    assert "change_site/heat_maps/importance" in logged(tmp_path / "out")


def test_a_single_case_without_dice_gets_what_is_possible(tmp_path: Path):
    stored_run(tmp_path / "run", n=1, dice=False, by_distance=False)
    assert analyze(tmp_path / "out", f"runs={tmp_path / 'run'}").code == 0
    page = (tmp_path / "out" / "analysis.md").read_text()
    for reason in (
        "expected at least 10 cases to learn what is normal, got 1",
        "the cases could not be ranked",
        "expected Dice of some case and class, got none",
        "expected values of expected_by_distance, got none",
    ):
        assert reason in page, reason
    (folder,) = (p.parent for p in (tmp_path / "out").rglob("summary.png"))
    assert (folder / "graph.png").is_file() and (tmp_path / "out" / "context.png").is_file()


def test_constant_features_are_an_exclusion(tmp_path: Path):
    same = np.repeat(drawn_importance(1, len(CLASSES), seed=0), 12, axis=0)
    stored_run(tmp_path / "run", n=12, importance=same)
    assert analyze(tmp_path / "out", f"runs={{x: {tmp_path / 'run'}}}").code == 0
    table = pd.read_csv(tmp_path / "out" / "x" / "outliers.csv")
    assert table["normality"].isna().all()
    assert "the importances are the same in all reference cases" in set(table["excluded"])


@pytest.mark.parametrize(
    ("second", "words", "message"),
    [
        ({"n": 12}, [], "some of case 'c00000' twice"),
        ({"n": 12, "first": 12, "classes": (*CLASSES, "spleen")}, [], "x: .*differ in .'model'."),
        ({"n": 12, "first": 12}, ["reference=y"], "reference: expected one of 'x', got 'y'"),
        ({"n": 12, "first": 12}, ["highlight.target=liver"], "highlight: expected one of .*'liver'"),
        ({"n": 12, "first": 12}, ["highlight.case=nobody"], r"highlight.case: expected ids of the runs \(c00000, "),
        ({"n": 12, "first": 12}, ["alpha=2"], "alpha: expected a number of at least 0 and at most 1, got 2"),
        ({"n": 12, "first": 12}, ["metadata=nowhere.csv"], "nowhere.csv: expected a CSV file"),
        ({"n": 12, "first": 12}, ["join=true"], "join: expected false where no classes belong together, got True"),
        ({"n": 12, "first": 12}, ["groups=thorax17", "join=true"], "are no classes of the model"),
    ],
)
def test_mistakes_end_with_a_message(tmp_path: Path, capsys, second: dict, words: list[str], message: str):
    a, b = stored_run(tmp_path / "a", n=12), stored_run(tmp_path / "b", **second)
    assert analyze(tmp_path / "out", f"runs={{x: [{a}, {b}]}}", *words).code == 1
    said = capsys.readouterr().err.replace("\n", " ")
    assert re.search(message, said), said


@pytest.fixture(scope="module")
def followed_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """New scans against a reference, two of each patient, the graph as a circle, and a data set without importances."""
    folder = tmp_path_factory.mktemp("followed_up")
    runs = {
        "usual": stored_run(folder / "usual", n=24),
        "new": stored_run(folder / "new", n=20, first=24, seed=3),
        "empty": stored_run(folder / "empty", n=2, root="/data/elsewhere"),
    }
    table = folder / "empty" / "tables" / "roi_importance.parquet"
    pd.read_parquet(table).assign(importance=np.nan).to_parquet(table)
    for name, cases in (("usual", range(24)), ("new", range(24, 44))):
        rows = [f"c{i:05d},00{i // 2},{40 + i}" for i in cases]
        (folder / f"{name}.csv").write_text("\n".join(["case,patient,age", *rows]))
    words = [f"metadata={{usual: {folder / 'usual.csv'}, new: {folder / 'new.csv'}}}", "columns.patient=patient"]
    named = f"runs={{{', '.join(f'{name}: {run}' for name, run in runs.items())}}}"
    assert analyze(folder / "out", named, *words, "reference=usual", "graph.layout=circular").code == 0
    return folder


def test_a_reference_is_what_forests_take_as_normal(followed_up: Path):
    usual, new, _ = read_runs(**{name: followed_up / name for name in ("usual", "new", "empty")})
    for data in (usual, new):
        table = pd.read_csv(followed_up / "out" / data.name / "outliers.csv")
        expected = outlier_table(data.importances(Kind.IMPORTANCE), usual.importances(Kind.IMPORTANCE), seed=0)
        assert table["case"].tolist() == expected["case"].tolist()
        assert table["normality"].tolist() == pytest.approx(expected["normality"].tolist(), nan_ok=True)
    own = outlier_table(new.importances(Kind.IMPORTANCE), new.importances(Kind.IMPORTANCE), seed=0)
    assert table["normality"].tolist() != pytest.approx(own["normality"].tolist(), nan_ok=True)


def test_scans_of_a_patient_are_one_where_patients_are_counted(followed_up: Path):
    page = (followed_up / "out" / "analysis.md").read_text()
    assert "| usual | 24 | 12 |" in page and "| new | 20 | 10 |" in page
    (usual,) = read_runs(usual=followed_up / "usual")
    patients = {case: f"00{i // 2}" for i, case in enumerate(usual.cases)}
    presence = pd.read_csv(followed_up / "out" / "usual" / "presence.csv").set_index("source")
    assert (presence["patients"] == 12).all()
    heat = pd.read_csv(followed_up / "out" / "usual" / "heat_maps" / "importance.csv")
    of_patients, of_cases = (
        global_importance(usual.local, Kind.IMPORTANCE, p, draws=100).to_frame()["ci_high"] for p in (patients, None)
    )
    assert heat["ci_high"].tolist() == pytest.approx(of_patients.tolist(), nan_ok=True)
    assert heat["ci_high"].tolist() != pytest.approx(of_cases.tolist(), nan_ok=True)
    edges = pd.read_csv(followed_up / "out" / "usual" / "graph_beyond_distance.csv")
    assert (edges["count"] + edges["equal"]).max() == 12
    change = pd.read_csv(followed_up / "out" / "change_usual_to_new.csv")
    assert change["count_first"].max() == 12 and change["count_second"].max() == 10
    assert (followed_up / "out" / "usual" / "outliers_and_metadata.csv").is_file()


def test_a_circular_graph_is_drawn(followed_up: Path, tmp_path: Path):
    (usual,) = read_runs(usual=followed_up / "usual")
    groups = OmegaConf.to_container(OmegaConf.load(conf_dir() / "anatomy" / "thorax.yaml").groups)
    anatomy = replace(usual, anatomy=Anatomy(groups)).joined_anatomy
    matrix = usual.matrix(usual.importances(Kind.IMPORTANCE), draws=100, seed=0)
    drawn = {"out": np.asarray(Image.open(followed_up / "out" / "usual" / "graph.png"))}
    for layout in ("circular", "anatomical"):
        save(importance_graph(matrix, anatomy, 3, layout=layout), tmp_path / f"{layout}.png")
        drawn[layout] = np.asarray(Image.open(tmp_path / f"{layout}.png"))
    assert np.array_equal(drawn["out"], drawn["circular"])
    assert not np.array_equal(drawn["out"], drawn["anatomical"])


def test_a_data_set_without_importances_leaves_the_others_their_parts(followed_up: Path):
    page = (followed_up / "out" / "analysis.md").read_text()
    assert "| empty | everything | expected values of importance, got none |" in page
    assert not (followed_up / "out" / "empty").exists()
    assert (followed_up / "out" / "new" / "summary.png").is_file()


def test_a_reference_that_was_made_otherwise_is_refused(tmp_path: Path, capsys):
    a, b = stored_run(tmp_path / "a", n=12), stored_run(tmp_path / "b", n=12, first=12, attribution="other")
    assert analyze(tmp_path / "out", f"runs={{a: {a}, b: {b}}}", "reference=a").code == 1
    said = " ".join(capsys.readouterr().err.split())
    expected = "reference: expected a data set made with the same settings as b, got 'a'. They differ in ['method'"
    assert expected in said


def test_a_class_that_one_data_set_lacks_leaves_out_the_comparison_alone(tmp_path: Path):
    fewer = [name for name in CLASSES if name != "ribs"]
    a = stored_run(tmp_path / "a", n=12)
    b = stored_run(tmp_path / "b", n=12, root="/data/elsewhere", classes=fewer)
    assert analyze(tmp_path / "out", f"runs={{a: {a}, b: {b}}}").code == 0
    page = (tmp_path / "out" / "analysis.md").read_text()
    assert "expected data sets with the same classes, got classes only in the first (\\['ribs'\\])" in page
    assert (tmp_path / "out" / "b" / "graph.png").is_file()


def test_joined_classes_take_the_place_of_their_members(tmp_path: Path):
    stored_run(tmp_path / "run", n=12)
    (tmp_path / "conf" / "groups").mkdir(parents=True)
    (tmp_path / "conf" / "groups" / "lungs.yaml").write_text("lungs: [lung_left, lung_right]\n")
    chosen = ["--config-dir", str(tmp_path / "conf"), "groups=lungs", "join=true", f"runs={{x: {tmp_path / 'run'}}}"]
    assert run("analyze", [*chosen, *QUICK], tmp_path / "out").code == 0
    local = pd.read_parquet(tmp_path / "run" / "tables" / "roi_importance.parquet")
    lungs = local[local["source"].str.startswith("lung") & (local["target"] == "aorta")]
    joined = pd.read_csv(tmp_path / "out" / "x" / "heat_maps" / "importance.csv").set_index(["target", "source"])
    expected = lungs.groupby("case")["importance"].sum().mean()
    assert joined.loc[("aorta", "lungs"), "mean"] == pytest.approx(expected)
    assert "lung_left" not in joined.index.get_level_values("target")
    dice = pd.read_csv(tmp_path / "out" / "dice_of_groups.csv").set_index("class")
    whole = pd.read_csv(tmp_path / "out" / "dice.csv").set_index("class")["mean"]
    assert dice.loc["lungs", "mean"] == pytest.approx(whole[["lung_left", "lung_right"]].mean())
    assert "does not add up over regions" in (tmp_path / "out" / "analysis.md").read_text()


def test_runs_of_one_data_set_may_differ_in_cases_but_not_in_how_they_were_explained(tiny: Tiny, tmp_path: Path):
    chosen = {
        "a": [f"data.cases=[{CASES[0]}]"],
        "b": [f"data.cases=[{CASES[1]}]", "model.windows.batch=1", "seed=1"],
        "c": [f"data.cases=[{CASES[2]}]", "model.windows.overlap=0.5"],
    }
    for name, words in chosen.items():
        arguments = ["attribution=vanilla_gradient", "classes=[heart]", "callbacks=tables", *words]
        assert run("explain", tiny.explain(*arguments), tmp_path / name).code == 0
    a, b, c = (str(tmp_path / name) for name in chosen)
    (both,) = read_data_sets(OmegaConf.create({"x": [a, b]}), labels=None)
    assert list(both.cases) == CASES[:2]
    with pytest.raises(JobError, match=r"differ in \['windows'\] and are not one data set"):
        read_data_sets(OmegaConf.create({"x": [a, c]}), labels=None)


def test_outliers_are_shown_where_scans_and_predictions_are(tiny: Tiny, tmp_path: Path):
    words = ["attribution=vanilla_gradient", "classes=[heart]", "callbacks.slices.first=1", "data.limit=2"]
    assert run("explain", tiny.explain(*words, "callbacks.volumes.attribution=[heart]"), tmp_path / "run").code == 0
    (data,) = read_data_sets(str(tmp_path / "run"), labels=None)
    shown = pd.DataFrame({"case": CASES[:2], "normality": [-0.1, 0.1], "rank": [1, 2]})
    figure = outlier_slices(data, shown, "heart", read_scan)
    said = " ".join(text.get_text() for axes in figure.axes for text in [axes.title, *axes.texts])
    assert all(case in said for case in CASES[:2])
    assert "1 of 2" in said and "Dice" in said
    (tmp_path / "run" / "volumes" / CASES[1] / "prediction.nii.gz").unlink()
    with pytest.raises(DataError, match=f"case {CASES[1]}: expected its prediction at .*prediction.nii.gz, got none"):
        outlier_slices(data, shown, "heart", read_scan)


@pytest.mark.skipif(CSV not in os.environ, reason=f"{CSV} is not set")
def test_published_table(tmp_path: Path):
    path = Path(os.environ[CSV]).parent / "published_tsv2_test_roi_importance_smoothgrad.csv"
    if not path.is_file():
        pytest.skip(f"no {path.name} beside the folder that {CSV} names")
    assert analyze(tmp_path / "out", f"runs={{tsv2: {path}}}", "groups=thorax17", "seed=123", "forests=1").code == 0
    matrix = pd.read_csv(tmp_path / "out" / "tsv2" / "heat_maps" / "importance.csv").set_index(["target", "source"])
    for name, value in (("background", 0.847), ("lung_lower_lobe_right", 0.137), ("trachea", 0.005)):
        assert matrix.loc[(name, name), "mean"] == pytest.approx(value, abs=5e-4)
    rho = pd.read_csv(tmp_path / "out" / "tsv2" / "outliers_and_dice.csv").set_index("target")["rho_median"]
    for name, value in (("lung_lower_lobe_right", 0.66), ("lung_upper_lobe_right", 0.56), ("heart", 0.35)):
        assert rho[name] == pytest.approx(value, abs=0.02)
