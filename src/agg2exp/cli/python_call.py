"""The objects that the command line would make, for a call from Python that names them by their YAMLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from agg2exp.attribution import Attributor
from agg2exp.baselines import Baseline
from agg2exp.cli.application import JobError, build
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.domain.errors import SettingError
from agg2exp.explaining.evaluator import Evaluator
from agg2exp.explaining.explainer import Explainer
from agg2exp.metrics import EvaluationMetric
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.scores import Score
from agg2exp.supervoxels import Supervoxels

GROUPS = {"attribution": "method", "score": "score", "baseline": "baseline", "supervoxels": "supervoxels",
          "metric": "metrics"}  # fmt: skip
"""Groups of the configuration, and what a call names their members by."""
USED = {"supervoxels": "supervoxels", "baseline": "baselines"}
"""What a method uses, and its argument for it."""


@dataclass(frozen=True)
class PythonCall:
    """What a call says of how to explain; names are those of the YAMLs of the group, objects are used as they are.

    Attributes:
        method: Attribution method.
        classes: Names of the classes to explain, or "all".
        score: The score 𝒜.
        baseline: What "nothing to see" is, for methods that take one.
        supervoxels: For methods that attribute to them.
        metrics: Evaluation metrics by name.
        mask_policy: "fixed" or "recomputed".
        seed: Of every random number.
        twins: Networks with random weights through which a scan is explained as well.
        class_chunk: Classes attributed at a time; None for all.
        regions_from: "prediction" or "label": where the source regions come from.
        settings: Further settings of the command line by their dotted names, such as {"noisy_copies": 5}.
    """

    method: str | Attributor = "smoothgrad"
    classes: Sequence[str] | str = "all"
    score: str | Score = "sum"
    baseline: str | Baseline = "zeros"
    supervoxels: str | Supervoxels = "none"
    metrics: str | Mapping[str, EvaluationMetric] = "none"
    mask_policy: str = "fixed"
    seed: int = 0
    twins: int = 0
    class_chunk: int | None = None
    regions_from: str = "prediction"
    settings: Mapping[str, object] = field(default_factory=dict)

    def configuration(self) -> DictConfig:
        """That of `agg2exp explain` with the same choices.

        Raises:
            SettingError: There is no YAML of a name, or no such setting.
        """
        chosen = {group: getattr(self, argument) for group, argument in GROUPS.items()}
        words = [f"{group}={name}" for group, name in chosen.items() if isinstance(name, str)]
        try:
            with initialize_config_dir(str(conf_dir()), version_base="1.3"):
                config = compose("explain", overrides=words)
            own = ("classes", "mask_policy", "seed", "twins")
            values = {**{name: getattr(self, name) for name in own}, "regions": self.regions_from,
                      "module.class_chunk": self.class_chunk, **self.settings}  # fmt: skip
            for name, value in values.items():
                if OmegaConf.select(config, name.rpartition(".")[0] or name, default=self) is self:
                    raise SettingError("settings", name, "the name of a setting of agg2exp explain")
                OmegaConf.update(config, name, list(value) if isinstance(value, tuple) else value)
        except HydraException as error:
            raise SettingError("explain", ", ".join(words), "names of YAMLs in conf/", str(error)) from error
        for group, thing in chosen.items():
            if not isinstance(thing, str):
                OmegaConf.update(config, group, {"given in Python": _kind(thing)}, merge=False)
        return config

    def evaluator(self, model: SegmentationModel) -> Evaluator:
        """What explains with a model, and evaluates.

        Raises:
            SettingError: The method takes no baseline or supervoxels, or a value is not allowed.
        """
        try:
            return self._evaluator(model, self.configuration())
        except JobError as error:  # a message for the command line
            raise SettingError("explain", self.method, "settings that are allowed", str(error)) from error

    def _evaluator(self, model: SegmentationModel, config: DictConfig) -> Evaluator:
        explainer = Explainer(
            model,
            self._method(config),
            build(config, "score") if isinstance(self.score, str) else self.score,
            self.classes,
            self.mask_policy,
            self.class_chunk,
            self.seed,
            self.twins,
        )
        metrics = self.metrics
        if isinstance(metrics, str):
            metrics = {name: build(config, f"metric.{name}") for name, node in config.metric.items() if node}
        return Evaluator(explainer, metrics)

    def _method(self, config: DictConfig) -> Attributor:
        if not isinstance(self.method, str):
            return self.method
        objects: dict[str, Any] = {}
        for used, argument in USED.items():
            given = getattr(self, used)
            takes = argument in config.attribution
            if not takes and given != PythonCall.__dataclass_fields__[used].default:
                raise SettingError(used, given, "left out", f"method={self.method} takes no {used}.")
            if takes and not isinstance(given, str):
                objects[argument] = given
        method: Attributor = build(config, "attribution", **objects)
        return method


def _kind(thing: object) -> str:
    if isinstance(thing, Mapping):
        return ", ".join(thing)
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
