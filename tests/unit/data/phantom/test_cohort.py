"""The folder on disk: layout, repetition, interruption, refusal to mix."""

import csv
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from agg2exp.data.merge import structures_of
from agg2exp.data.phantom import PhantomCohort, make_phantom
from agg2exp.data.phantom import cohort as module
from agg2exp.data.phantom.structures import PATHOLOGIES, STRUCTURES
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels

SPACING = (9.0, 9.0, 10.0)
CONF = Path(__file__).parents[4] / "conf"


@pytest.fixture
def cohort(tmp_path):
    return PhantomCohort(tmp_path / "phantoms", {"train": 2, "val": 1}, seed=3, spacing=SPACING)


def contents(root):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def test_layout_follows_totalsegmentator(cohort):
    done = []
    assert cohort.missing() == ["s0001", "s0002", "s0003"]
    cohort.generate(done.append)
    assert done == ["s0001", "s0002", "s0003"] and cohort.missing() == []
    assert {p.name for p in cohort.root.iterdir()} == {"meta.csv", "phantom.json", *done}
    for index, case in enumerate(done, start=1):
        folder, phantom = cohort.root / case, make_phantom(3, index, SPACING)
        image = nib.load(folder / "ct.nii.gz")
        assert image.get_data_dtype() == np.int16 and np.array_equal(image.dataobj, phantom.image)
        assert np.allclose(image.affine, phantom.affine, atol=1e-4)
        assert {p.name for p in (folder / "segmentations").iterdir()} == {f"{n}.nii.gz" for n in STRUCTURES}
        assert {p.name for p in (folder / "pathologies").iterdir()} == {f"{n}.nii.gz" for n in PATHOLOGIES}
        for sub, masks in (("segmentations", phantom.masks), ("pathologies", phantom.pathologies)):
            for name, mask in masks.items():
                stored = nib.load(folder / sub / f"{name}.nii.gz")
                assert stored.get_data_dtype() == np.uint8 and np.array_equal(stored.dataobj, mask), name


def test_meta_has_the_columns_of_the_real_table(cohort):
    cohort.generate()
    text = (cohort.root / "meta.csv").read_text()
    assert text.startswith("image_id;age;gender;institute;study_type;split;manufacturer;scanner_model;kvp;")
    rows = list(csv.DictReader(text.splitlines(), delimiter=";"))
    assert [row["image_id"] for row in rows] == ["s0001", "s0002", "s0003"]
    assert [row["split"] for row in rows] == ["train", "train", "val"]
    for index, row in enumerate(rows, start=1):
        facts = make_phantom(3, index, SPACING).metadata
        assert {name: row[name] for name in facts} == {name: str(value) for name, value in facts.items()}


def test_second_run_writes_nothing(cohort):
    cohort.generate()
    before = contents(cohort.root)
    cohort.generate(lambda case: pytest.fail(f"{case} was written again"))
    assert contents(cohort.root) == before


def test_same_settings_give_the_same_bytes(cohort, tmp_path):
    other = replace(cohort, root=tmp_path / "other")
    cohort.generate()
    other.generate()
    mine, theirs = ({p.name: p.read_bytes() for p in c.root.rglob("*") if p.is_file()} for c in (cohort, other))
    assert mine == theirs


def test_interrupted_case_is_made_again(cohort, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "make_phantom", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cohort.generate()
    assert not (cohort.root / "s0001").exists() and cohort.missing() == ["s0001", "s0002", "s0003"]
    (cohort.root / ".s0001-killed" / "segmentations").mkdir(parents=True)  # what a killed process leaves
    cohort.generate()
    (cohort.root / "s0002" / "segmentations" / "heart.nii.gz").unlink()
    done = []
    assert cohort.missing() == ["s0002"]
    cohort.generate(done.append)
    assert done == ["s0002"] and cohort.missing() == []


def test_the_process_that_finishes_first_wins(cohort, monkeypatch):
    def slow(*arguments):
        if not (cohort.root / "s0001").exists():
            monkeypatch.setattr(module, "make_phantom", make_phantom)
            cohort.generate()  # the other process, meanwhile
        return make_phantom(*arguments)

    monkeypatch.setattr(module, "make_phantom", slow)
    cohort.generate()
    assert cohort.missing() == []
    assert not [p.name for p in cohort.root.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 4}, "seed: there 3, asked for 4"),
        ({"spacing": (5.0, 9.0, 10.0)}, "spacing"),
        ({"splits": {"train": 3}}, "splits"),
        ({"splits": {"val": 1, "train": 2}}, "splits"),
        ({"pathology_share": 0.5}, r"pathology_share: there 0\.3, asked for 0\.5"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(cohort, changed, named):
    small = replace(cohort, splits={"train": 2, "val": 1})
    small.root.mkdir()
    module.write_text(small.root / "phantom.json", module.json.dumps(small._description()))
    other = replace(small, **changed)
    for action in (other.missing, other.generate):
        with pytest.raises(ValueError, match=named) as error:
            action()
        assert "another data.root or delete" in str(error.value)


def test_a_newer_generator_refuses_old_phantoms(cohort, monkeypatch):
    cohort.root.mkdir()
    module.write_text(cohort.root / "phantom.json", module.json.dumps(cohort._description()))
    monkeypatch.setattr(module, "GENERATOR_VERSION", module.GENERATOR_VERSION + 1)
    with pytest.raises(ValueError, match="generator: there"):
        cohort.missing()


def test_classes_of_the_shipped_model_use_every_mask_once():
    labels = Labels(yaml.safe_load((CONF / "model" / "labels" / "thorax17.yaml").read_text())["labels"])
    merge = yaml.safe_load((CONF / "data" / "merge" / "thorax17.yaml").read_text())
    files = [name for of_class in structures_of(labels, merge) for name in of_class]
    assert sorted(files) == sorted(STRUCTURES)
    assert len(labels) == 17 and labels.background == "background"
    groups = yaml.safe_load((CONF / "anatomy" / "thorax.yaml").read_text())["groups"]
    assert sorted(name for group in groups.values() for name in group["classes"]) == sorted(labels.classes)
    assert len({group["colour"] for group in groups.values()}) == len(groups)


SCANS = {"s0001/ct.nii.gz": b"a scan", "s0002/notes.txt": b"mine", "meta.csv": b"image_id;split\ns0001;test\n"}


def written(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return contents(root)


@pytest.mark.parametrize("name", [*SCANS, "phantom.json", ".DS_Store"])
def test_a_folder_with_anything_that_is_not_ours_stays_as_it_is(cohort, name):
    before = written(cohort.root, {name: SCANS.get(name, b"{}")})
    for action in (cohort.missing, cohort.generate):
        with pytest.raises(SettingError, match=r"data\.root: expected a folder that is new, empty, or holds phantoms"):
            action()
    assert contents(cohort.root) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"generator seed spacing splits"', b"\xff\xfe{}"])
def test_a_description_that_is_none_is_no_sign(cohort, content):
    before = written(cohort.root, {"phantom.json": content})
    with pytest.raises(SettingError, match=r"data\.root"):
        cohort.generate()
    assert contents(cohort.root) == before


def test_scans_that_lie_among_phantoms_stay_as_they_are(cohort):
    cohort.generate()
    (cohort.root / "s0002" / "segmentations" / "heart.nii.gz").unlink()
    (cohort.root / "s0002" / "ct.nii.gz").write_bytes(b"a scan")
    (cohort.root / "meta.csv").write_text("mine")
    before = contents(cohort.root)
    with pytest.raises(SettingError, match=r"s0002/ct\.nii\.gz, and was left as it is"):
        cohort.generate()
    assert contents(cohort.root) == before


@pytest.mark.parametrize("name", ["notes.txt", "segmentations/tumour.nii.gz"])
def test_a_case_with_files_of_somebody_else_is_not_completed(cohort, name):
    cohort.generate()
    (cohort.root / "s0003" / "segmentations" / "aorta.nii.gz").unlink()
    (cohort.root / "s0003" / name).touch()
    before = contents(cohort.root)
    with pytest.raises(SettingError, match=name):
        cohort.generate()
    assert contents(cohort.root) == before


def test_nothing_is_written_through_a_link(cohort, tmp_path):
    cohort.generate()
    (cohort.root / "s0003").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "ct.nii.gz").unlink()
    (cohort.root / "s0003").symlink_to(tmp_path / "elsewhere")
    before = contents(tmp_path)
    with pytest.raises(SettingError, match="s0003 is new or holds"):
        cohort.generate()
    assert contents(tmp_path) == before


def test_a_table_that_somebody_edited_is_kept(cohort):
    cohort.generate()
    (cohort.root / "meta.csv").write_text("image_id;split\ns0001;test\n")
    (cohort.root / "s0002" / "ct.nii.gz").unlink()
    cohort.generate()
    assert cohort.missing() == []
    assert (cohort.root / "meta.csv").read_text() == "image_id;split\ns0001;test\n"
