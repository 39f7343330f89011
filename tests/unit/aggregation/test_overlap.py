import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_iou
from sklearn.metrics import f1_score, jaccard_score

from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.masks import ExclusiveMasks

L = 5


def pair(seed):
    g = torch.Generator().manual_seed(seed)
    a = torch.randint(0, L, (6, 7, 8), generator=g)
    b = torch.where(torch.rand(a.shape, generator=g) < 0.6, a, torch.randint(0, L, a.shape, generator=g))
    return a.to(torch.int16), b.to(torch.int16)


def compute(a, b, annotated=(True,) * L):
    return dice_and_iou(ExclusiveMasks(a, L), ExclusiveMasks(b, L), annotated)


@pytest.mark.parametrize("seed", range(4))
def test_equals_other_libraries(seed):
    a, b = pair(seed)
    dice, iou = compute(a, b)
    assert dice.dtype == iou.dtype == np.float64
    np.testing.assert_allclose(dice, f1_score(b.flatten(), a.flatten(), average=None))
    np.testing.assert_allclose(iou, jaccard_score(b.flatten(), a.flatten(), average=None))
    one_hot = [torch.stack([v == c for c in range(L)])[None].float() for v in (a, b)]
    np.testing.assert_allclose(dice, compute_dice(*one_hot)[0], rtol=1e-5)
    np.testing.assert_allclose(iou, compute_iou(*one_hot)[0], rtol=1e-5)


def test_known_answers():
    a, b = torch.tensor([[[0, 1, 1, 2]]]), torch.tensor([[[0, 1, 2, 3]]])
    dice, iou = compute(a, b)
    np.testing.assert_allclose(dice, [1, 2 / 3, 0, 0, np.nan])  # 3 in one only: 0; 4 in neither: NaN
    np.testing.assert_allclose(iou, [1, 1 / 2, 0, 0, np.nan])


def test_not_annotated_is_nan_and_takes_background_with_it():
    a, b = pair(0)
    whole = np.array(compute(a, b))
    part = np.array(compute(a, b, [True, True, False, True, True]))
    assert np.isnan(part[:, [0, 2]]).all()
    np.testing.assert_array_equal(part[:, [1, 3, 4]], whole[:, [1, 3, 4]])
    # what is said about background itself does not matter
    np.testing.assert_array_equal(compute(a, b, [False] + [True] * (L - 1)), whole)


def test_mistakes_are_errors():
    a, b = pair(0)
    with pytest.raises(ValueError, match=rf"annotation: .* 0 to {L - 1}, got .* {L}"):
        compute(a, b + 1)
    with pytest.raises(ValueError, match=r"masks: .* -1"):
        compute(a - 1, b)
    with pytest.raises(ValueError, match="annotated"):
        compute(a, b, [True])
    with pytest.raises(ValueError, match=r"an annotation of .* 5 classes, got one of 6"):
        dice_and_iou(ExclusiveMasks(a, L), ExclusiveMasks(b, L + 1), [True] * L)
