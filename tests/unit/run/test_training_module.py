"""Training on a toy: the loss falls, the rate anneals, Dice leaves out what was not annotated."""

import math
from dataclasses import replace

import pytest
import torch
from lightning import Trainer
from monai.losses import DiceCELoss
from torch.utils.data import DataLoader

from agg2exp.domain.case import Case, Failure
from agg2exp.domain.errors import CaseError
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import OverlappingMasks
from agg2exp.inference import SlidingWindow
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.run.training_module import SegmentationModule
from tests.helpers.explanations import SHAPE, scheme, small_case
from tests.helpers.networks import LinearNetwork, ToyNetwork

RATE = 0.05
LABELS = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(5)).to(torch.int16)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def module(network: torch.nn.Module | None = None, labels: Labels | None = None) -> SegmentationModule:
    return SegmentationModule(
        SegmentationModel(network or ToyNetwork(), labels or scheme(), Preprocessing(), SlidingWindow(SHAPE)),
        DiceCELoss(to_onehot_y=True, softmax=True),
        lambda parameters: torch.optim.AdamW(parameters, lr=RATE),
    )


def trainer(**settings: object) -> Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(accelerator="cpu", enable_model_summary=False, **quiet, **settings)


def patches(n: int) -> DataLoader:
    """The same patch again and again; its classes can be told by brightness."""
    image = torch.rand(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    return DataLoader([{"image": image, "label": (image * 4).floor()}] * n, batch_size=1)


def history(steps: int) -> tuple[list[float], list[float]]:
    """Loss and learning rate of every step."""
    losses, rates = [], []
    chosen = module()
    step = chosen.training_step

    def watched(batch, batch_idx):
        rates.append(chosen.optimizers().param_groups[0]["lr"])
        loss = step(batch, batch_idx)
        losses.append(loss.item())
        return loss

    chosen.training_step = watched
    trainer(max_epochs=2).fit(chosen, patches(steps // 2))
    return losses, rates


def test_loss_falls_and_the_rate_follows_a_cosine_to_zero():
    steps = 60
    losses, rates = history(steps)
    assert losses[-1] < 0.6 * losses[0]
    expected = [RATE * (1 + math.cos(math.pi * t / steps)) / 2 for t in range(steps)]
    assert rates == pytest.approx(expected, abs=1e-9)


def measured(*cases: Case) -> dict[str, float]:
    """Dice of a model that calls every voxel by its brightness: bright ones aorta, dark ones background."""
    chosen = module(LinearNetwork([0.0, 0.0, 0.0, 1.0], [0.5, -9.0, -9.0, 0.0]))
    loader = DataLoader(list(cases), collate_fn=lambda batch: batch[0])
    (result,) = trainer().test(chosen, loader, verbose=False)
    return result


def dice(case: Case, c: int) -> float:
    predicted, wanted = (case.image[0] > 0.5) if c == 3 else (case.image[0] <= 0.5), case.annotation.mask(c)
    return 2 * float((predicted & wanted).sum()) / float(predicted.sum() + wanted.sum())


def test_dice_is_the_mean_over_cases_that_have_the_annotation():
    whole = small_case("a", seed=1, labels=LABELS, annotated=(True,) * 4)
    without_aorta = small_case("b", seed=2, labels=LABELS, annotated=(True, True, True, False))
    result = measured(whole, without_aorta)
    assert result["test/dice/aorta"] == pytest.approx(dice(whole, 3))
    assert result["test/dice/background"] == pytest.approx(dice(whole, 0))  # b's background may hold its aorta
    assert result["test/dice/heart"] == 0  # annotated in both, found in none
    assert result["test/dice"] == pytest.approx(dice(whole, 3) / 3)  # structures only


def test_class_without_any_annotation_is_nan_and_left_out_of_the_mean():
    case = small_case("b", labels=LABELS, annotated=(True, True, False, True))
    result = measured(case)
    assert math.isnan(result["test/dice/heart"])
    assert result["test/dice"] == pytest.approx(dice(case, 3) / 2)


def test_dice_of_regions_that_overlap_counts_all_of_them():
    bits = torch.stack([LABELS > 0, LABELS > 1])
    case = replace(small_case(), annotation=OverlappingMasks(bits), annotated=(True, True))
    chosen = module(LinearNetwork([1.0, 1.0], [-0.3, -0.6]), Labels(("whole", "core"), "sigmoid"))
    (result,) = trainer().test(chosen, DataLoader([case], collate_fn=lambda batch: batch[0]), verbose=False)
    expected = []
    for wanted, level in zip(bits, (0.3, 0.6), strict=True):
        predicted = case.image[0] > level
        expected.append(2 * float((predicted & wanted).sum()) / float(predicted.sum() + wanted.sum()))
    assert [result["test/dice/whole"], result["test/dice/core"]] == pytest.approx(expected)
    assert result["test/dice"] == pytest.approx(sum(expected) / 2)


def test_case_without_labels_is_left_out_and_told(caplog: pytest.LogCaptureFixture):
    labelled = small_case("a", labels=LABELS, annotated=(True,) * 4)
    assert measured(labelled, small_case("bare")) == measured(labelled)
    assert "case bare has no annotation and is left out" in caplog.text


def test_unreadable_case_ends_the_measurement():
    with pytest.raises(CaseError, match=r"case b: .*no file"):
        module().test_step(Failure("b", "reading", "no file", ""), 0)


def test_dice_starts_anew_each_time():
    chosen = module(LinearNetwork([0.0, 0.0, 0.0, 1.0], [0.5, -9.0, -9.0, 0.0]))
    run = trainer()
    for seed in (1, 2):
        case = small_case("a", seed=seed, labels=LABELS, annotated=(True,) * 4)
        loader = DataLoader([case], collate_fn=lambda batch: batch[0])
        (result,) = run.validate(chosen, loader, verbose=False)
        assert result["val/dice/aorta"] == pytest.approx(dice(case, 3))
