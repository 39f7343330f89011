"""The cases of a data set with what is asked of them."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agg2exp.data.catalogue import Catalogue
from agg2exp.data.reading.extra_masks import ExtraMasks
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import LabelMapFile, MaskFile
from tests.helpers import cases


@dataclass
class Listed:
    """A layout that lists what it is given."""

    root: Path
    listed: list[CaseRecord] = field(default_factory=list)

    def records(self) -> list[CaseRecord]:
        return self.listed


def catalogue(root: Path, *records: CaseRecord, label_map: LabelMapFile | None = None) -> Catalogue:
    return Catalogue(Listed(root, list(records)), ExtraMasks({"node": "{case}/n.nii"}, cases.labels()), label_map)


def record(case: str, **more) -> CaseRecord:
    return CaseRecord(case, (Path(f"{case}.nii"),), **more)


def test_any_layout_s_cases_get_extra_masks(tmp_path: Path):
    made = catalogue(tmp_path, record("a", extra={"cyst": MaskFile(Path("c.nii"))}))
    assert made.by_id()["a"].extra == {"cyst": MaskFile(Path("c.nii")), "node": MaskFile(tmp_path / "a/n.nii")}


def test_a_label_map_comes_with_the_cases_only_if_supervoxels_ask_for_it(tmp_path: Path):
    def paths(label_map: LabelMapFile | None, own: Path | None = None) -> list[Path | None]:
        listed = record("s1", label_map=own), record("s2", label_map=own)
        return [r.label_map for r in catalogue(tmp_path, *listed, label_map=label_map).by_id().values()]

    assert paths(LabelMapFile("{case}/maps/{case}.nii")) == [tmp_path / "s1/maps/s1.nii", tmp_path / "s2/maps/s2.nii"]
    assert paths(LabelMapFile("atlas.nii")) == [tmp_path / "atlas.nii"] * 2
    assert paths(LabelMapFile("/atlases/{lung}.nii")) == [Path("/atlases/{lung}.nii")] * 2
    assert paths(None) == [None, None]
    assert paths(None, Path("own.nii")) == [Path("own.nii")] * 2
    assert paths(LabelMapFile("atlas.nii"), Path("own.nii")) == [tmp_path / "atlas.nii"] * 2


@pytest.mark.parametrize(
    ("ids", "problem"),
    [(["a", "a"], "every id of a case once"), (["a", "A"], "upper and lower case"), (["a\n"], "control characters"),
     ([""], "not empty")],
)  # fmt: skip
def test_cases_without_a_name_of_their_own_are_refused(tmp_path: Path, ids: list[str], problem: str):
    with pytest.raises(SettingError, match=rf"data\.layout: .*{problem}"):
        catalogue(tmp_path, *map(record, ids)).by_id()


def test_a_layout_s_extra_masks_may_not_have_the_name_of_a_class(tmp_path: Path):
    with pytest.raises(SettingError, match="extra masks: expected a name that is no class of the model, got 'heart'"):
        catalogue(tmp_path, record("a", extra={"heart": MaskFile(Path("h.nii"))})).by_id()


def test_data_without_any_annotation_are_one_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/n.nii").touch()
    with caplog.at_level(logging.WARNING):
        catalogue(tmp_path, record("a")).warn_of_what_no_case_has({"heart", "lung"})
    assert [r.getMessage() for r in caplog.records] == [
        f"no case of {tmp_path} has an annotation: there will be no Dice, and regions=label fails"
    ]
