"""Networks that people segment with, as small as they can be."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.networks.nets import UNETR, DynUNet, SegResNet, SwinUNETR, UNet
from torch import nn

NETWORKS: dict[str, Callable[[], nn.Module]] = {  # one channel, three classes
    "unet": lambda: UNet(3, 1, 3, channels=(4, 8, 8), strides=(2, 2), num_res_units=1, norm="batch"),
    "swin_unetr_v2": lambda: SwinUNETR(1, 3, feature_size=12, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 4), use_v2=True),
    "unetr": lambda: UNETR(1, 3, (32, 32, 16), feature_size=4, hidden_size=24, mlp_dim=48, num_heads=2),
    "dynunet": lambda: DynUNet(
        3, 1, 3, kernel_size=[3, 3, 3], strides=[1, 2, 2], upsample_kernel_size=[2, 2], filters=[4, 8, 8]
    ),
    "segresnet": lambda: SegResNet(
        3, init_filters=8, in_channels=1, out_channels=3, blocks_down=(1, 1), blocks_up=(1,)
    ),
}


WINDOWS = dict.fromkeys(NETWORKS, (32, 32, 32))
WINDOWS["unetr"] = (32, 32, 16)
WINDOWS["swin_unetr_v2"] = (64, 32, 32)  # halved five times, and its InstanceNorm needs two voxels


def segmentation_network(name: str, seed: int = 0) -> nn.Module:
    """One of the networks that people use, small, with random weights; global random state as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[name]()
