"""Three ways to change one step of the explanation: subclass the module, override one method.

agg2exp explain module._target_=my_modules.BrightnessAveraged
"""

from dataclasses import replace

import torch

from agg2exp.domain.attribution import DenseAttribution
from agg2exp.run.module import ExplanationModule


class BrightnessAveraged(ExplanationModule):
    """Explains the network averaged over three brightnesses of its input (test-time augmentation)."""

    def forward(self, x):
        return torch.stack([self.network(scale * x) for scale in (0.9, 1.0, 1.1)]).mean(dim=0)


class SureVoxels(ExplanationModule):
    """Explains only the voxels of which the network is more sure than `probability`."""

    def __init__(self, *, probability: float = 0.5, **arguments) -> None:
        super().__init__(**arguments)
        self.probability = probability

    def class_scores(self, prediction):
        scores = super().class_scores(prediction)
        layers = [
            replace(layer, weights=layer.weights * (predicted.top_probability > self.probability))
            for layer, predicted in zip(scores.layers, prediction.layers, strict=True)
        ]
        return replace(scores, layers=tuple(layers))

    def settings(self):
        return {**super().settings(), "probability": str(self.probability)}


class TimesInput(ExplanationModule):
    """Multiplies the attribution of every class by the image (gradient x input)."""

    def attribute(self, model, case, scores):
        e = super().attribute(model, case, scores)
        return DenseAttribution(torch.stack([e.dense(k) * case.image for k in range(e.n_classes)]))
