"""Training patches."""

import numpy as np
import pytest
import torch

from agg2exp.data.patches import TrainingPatches
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import SettingError
from tests.helpers import cases

STILL = {"noise": 0.0, "shift": 0.0, "rotation": 0.0, "scaling": 0.0}
SIZE = (8, 7, 6)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[CaseRecord]:
    root = tmp_path_factory.mktemp("patches") / "data"
    for case in ("s1", "s2"):
        cases.write_case(root, case, noise=1)  # so that no two pieces of it are alike
    cases.write_table(root, {"s1": "train", "s2": "train"})
    return cases.records(root)


def epoch(records: list[CaseRecord], **settings) -> list[dict[str, torch.Tensor]]:
    patches = TrainingPatches(n_classes=4, size=settings.pop("size", SIZE), **settings)
    return list(patches.loader(cases.reader(), records))


def test_a_batch_has_image_and_label_patches_of_the_size(records: list[CaseRecord]):
    batches = epoch(records, per_case=3, batch_size=2)
    assert len(batches) == 1
    for key in ("image", "label"):
        assert batches[0][key].shape == (6, 1, *SIZE)
        assert batches[0][key].dtype == torch.float32
    assert set(batches[0]["label"].unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}


def test_a_still_patch_is_a_piece_of_its_case(records: list[CaseRecord]):
    case = cases.reader().read(records[0])  # both cases are alike
    for batch in epoch(records, per_case=4, **STILL):
        for image, label in zip(batch["image"], batch["label"], strict=True):
            image, label = image.as_subclass(torch.Tensor)[0], label.as_subclass(torch.Tensor)[0]
            windows = case.image[0].unfold(0, 8, 1).unfold(1, 7, 1).unfold(2, 6, 1)
            distance = (windows - image).abs().amax(dim=(3, 4, 5))
            d, h, w = np.unravel_index(int(distance.argmin()), distance.shape)
            assert distance.min() < 1e-4
            assert torch.equal(case.annotation.label_map[d : d + 8, h : h + 7, w : w + 6].float(), label)


def test_every_class_is_seen_about_as_often(records: list[CaseRecord]):
    """Patches are centred on a class drawn at random; the aorta has 1 % of the voxels."""
    centres = torch.cat([b["label"][:, 0, 4, 3, 3] for _ in range(8) for b in epoch(records, per_case=8, **STILL)])
    assert (torch.bincount(centres.long(), minlength=4) > 0.1 * len(centres)).all()


def test_the_seed_decides(records: list[CaseRecord]):
    def run(seed: int) -> list[torch.Tensor]:
        return [batch["image"].as_subclass(torch.Tensor) for batch in epoch(records, seed=seed, noise=0.1)]

    first, again, other = run(1), run(1), run(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_volume_smaller_than_the_patch_is_padded(records: list[CaseRecord]):
    (first, _) = epoch(records, size=(24, 24, 24), per_case=1)
    assert first["image"].shape == (1, 1, 24, 24, 24)


@pytest.mark.parametrize("key", ["per_case", "batch_size"])
def test_wrong_settings_are_named(key: str):
    with pytest.raises(SettingError, match=key):
        TrainingPatches(n_classes=4, size=SIZE, **{key: 0})
