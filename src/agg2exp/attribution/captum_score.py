"""What captum is handed: a score through sliding windows as its forward function, and a seeded random state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from agg2exp.domain.class_scores import Scores
from agg2exp.inference import WindowedModel


class ScoreModule(nn.Module):
    """f̂_c of one class, images (B, C, D, H, W) -> (B,); a module, so that captum finds those of the network.

    Args:
        model: The network through sliding windows.
        scores: f̂_c, of one class.
        dtype: Of the image; captum's noise makes others of it.
    """

    def __init__(self, model: WindowedModel, scores: Scores, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = model.network
        self.model = model
        self.scores = scores
        self.dtype = dtype

    def forward(self, images: Tensor) -> Tensor:
        """f̂_c of every image (B)."""
        return self.model.scores(images.detach().to(self.dtype), self.scores)[:, 0]

    def gradient(
        self,
        forward_fn: object,
        inputs: tuple[Tensor],
        target_ind: object = None,
        additional_forward_args: object = None,
    ) -> tuple[Tensor]:
        """∇f̂_c(x_b) of every image in place of captum's automatic differentiation, which would hold all windows."""
        images = inputs[0].detach().to(self.dtype)
        rows = [self.model.gradient(x.unsqueeze(0), self.scores)[0].to(x.device) for x in images]
        return (torch.stack(rows),)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeded global random states of torch and NumPy; as before afterwards."""
    numpy_state = np.random.get_state()  # noqa: NPY002 - the one that captum uses
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            torch.default_generator.manual_seed(seed)
            if device.type == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
