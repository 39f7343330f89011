"""Which channel of the image the importance of a region comes from."""

import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.aggregation.global_by_channel import global_importance_by_channel
from agg2exp.aggregation.global_importance import global_importance
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.domain.attribution import DenseAttribution, SupervoxelAttribution
from agg2exp.domain.errors import CaseError
from agg2exp.domain.masks import ExclusiveMasks, OverlappingMasks
from agg2exp.domain.roi_importance import Kind, importance_array, importance_by_channel_array
from tests.helpers.case_regions import case_regions

SHAPE = (5, 6, 7)
CHANNELS = ("t1", "t2", "flair")
CLASSES = (2, 0, 1)


def masks_of(overlapping, g):
    if overlapping:
        return OverlappingMasks(torch.rand(3, *SHAPE, generator=g) < 0.5)
    return ExclusiveMasks(torch.randint(0, 3, SHAPE, generator=g), 3)


def toy(seed, overlapping=False):
    """Attribution (K, C, D, H, W), the masks of all sources (R, D, H, W), and the RoI importance."""
    g = torch.Generator().manual_seed(seed)
    masks = masks_of(overlapping, g)
    extra = torch.rand(SHAPE, generator=g) < 0.2
    e = torch.randn(3, 3, *SHAPE, generator=g) * torch.tensor([1.0, 10.0, 0.1]).view(1, 3, 1, 1, 1)
    regions = case_regions(
        masks, extra={"nodule": extra, "missing": None}, body=extra, channels=CHANNELS, spacing=(1, 2, 3)
    )
    sources = [masks.mask(c) for c in range(3)]
    background = [~masks.foreground()] if overlapping else []
    return e, torch.stack([*background, *sources, extra]), local_importance(DenseAttribution(e), CLASSES, regions)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("overlapping", [False, True])
def test_equals_the_definition_entry_by_entry_and_sums_to_the_importance(seed, overlapping):
    e, sources, found = toy(seed, overlapping)
    assert found.channels == CHANNELS
    assert found.by_channel.shape == (3, len(sources) + 1, 3)
    for k, r, c in np.ndindex(3, len(sources), 3):
        expected = e[k, c][sources[r]].abs().double().sum() / e[k].abs().double().sum()
        assert found.by_channel[k, r, c] == pytest.approx(float(expected), rel=2e-5)
    np.testing.assert_allclose(found.by_channel.sum(axis=2), found.values[Kind.IMPORTANCE], rtol=0, atol=1e-12)
    assert np.isnan(found.by_channel[:, -1]).all()
    mass = e.abs().double().sum(dim=(2, 3, 4))
    np.testing.assert_allclose(found.channel_shares, mass / mass.sum(dim=1, keepdim=True), rtol=2e-5)
    np.testing.assert_allclose(found.channel_shares.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_rows_that_are_not_defined_have_no_channels_either():
    label_map = torch.zeros(SHAPE, dtype=torch.int64)
    label_map[0] = 1
    e = torch.rand(3, 2, *SHAPE)
    e[1] = 0
    found = local_importance(DenseAttribution(e), (0, 1, 2), case_regions(label_map, 3, channels=("a", "b")))
    for values in (found.by_channel, found.channel_shares):
        assert np.isfinite(values[0]).all() and np.isnan(values[1:]).all()


def test_one_channel_or_all_together_have_none_of_their_own():
    label_map = torch.randint(0, 3, SHAPE, generator=torch.Generator().manual_seed(0))
    partition = torch.zeros(SHAPE, dtype=torch.int64)
    together = SupervoxelAttribution(partition, torch.ones(1, 1))
    for attribution, channels in ((DenseAttribution(torch.ones(1, 1, *SHAPE)), ("ct",)), (together, ("a", "b"))):
        found = local_importance(attribution, (1,), case_regions(label_map, 3, channels=channels))
        assert (found.channels, found.by_channel, found.channel_shares) == ((), None, None)
        assert len(found.by_channel_frame()) == len(found.channel_shares_frame()) == 0


def test_an_attribution_of_other_channels_than_the_image_has_is_refused():
    label_map = torch.zeros(SHAPE, dtype=torch.int64)
    with pytest.raises(CaseError, match=r"toy.*channels \['a', 'b'\], got one of 3"):
        local_importance(
            DenseAttribution(torch.ones(1, 3, *SHAPE)), (0,), case_regions(label_map, 2, channels=("a", "b"))
        )


def test_table_and_array_have_every_number_under_its_names():
    found = toy(0)[2]
    frame = found.by_channel_frame()
    assert list(frame.columns) == ["case", "target", "source", "channel", "importance"]
    array = importance_by_channel_array(frame)
    assert array.dims == ("case", "target", "source", "channel")
    for name, names in (("target", found.targets), ("source", found.sources), ("channel", CHANNELS)):
        assert tuple(array[name].values) == names
    np.testing.assert_array_equal(array.sel(case="toy"), found.by_channel)
    shares = found.channel_shares_frame()
    assert list(shares.columns) == ["case", "target", "channel", "share"]
    assert shares.set_index(["target", "channel"])["share"][found.targets[1], "flair"] == found.channel_shares[1, 2]
    whole = importance_array(found.to_frame()).sel(kind="importance", source=list(found.sources[:-1]))
    np.testing.assert_allclose(array.sum("channel").sel(source=whole["source"]), whole, atol=1e-12)


def test_means_over_cases_are_those_of_each_channel_alone_and_sum_to_the_mean():
    found = [toy(seed)[2] for seed in range(6)]
    names = [f"case {i}" for i in range(6)]
    by_channel, local = (
        pd.concat([f.assign(case=name) for f, name in zip(frames, names, strict=True)], ignore_index=True)
        for frames in ([f.by_channel_frame() for f in found], [f.to_frame() for f in found])
    )
    table = global_importance_by_channel(by_channel, draws=50)
    assert list(table["channel"].unique()) == list(CHANNELS)
    for c, channel in enumerate(CHANNELS):
        rows = table[table["channel"] == channel].set_index(["target", "source"])
        expected = np.mean([f.by_channel[:, :, c] for f in found], axis=0)
        np.testing.assert_allclose(rows["mean"].to_numpy().reshape(expected.shape), expected)
        assert ((rows["ci_low"] <= rows["mean"]) | rows["mean"].isna()).all()
    total = global_importance(local, Kind.IMPORTANCE, draws=50).to_frame().set_index(["target", "source"])["mean"]
    summed = table.groupby(["target", "source"], sort=False)["mean"].sum(min_count=1)
    np.testing.assert_allclose(summed, total.loc[summed.index], atol=1e-12)
