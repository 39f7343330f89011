"""The objects that the command line would make, for a call from Python that names them by their YAMLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from agg2exp.attribution import Attributor
from agg2exp.baselines import Baseline
from agg2exp.cli.application import JobError, build
from agg2exp.cli.named import composed, names_of
from agg2exp.domain.errors import SettingError, check_choice
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
OF_METHOD = ("attribution", "supervoxels", "baseline", "noisy_copies", "coalitions", "expansion")
"""Settings that a method is made with; one that is handed over is made already."""
SETTINGS = (*OF_METHOD, "score", "metric", "collect", "anatomy")
"""What `PythonCall.settings` may set; all else is an argument, or belongs to the model or to the data."""
KINDS = {"method": Attributor, "score": Score, "baseline": Baseline, "supervoxels": Supervoxels}


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
        settings: Further settings of the command line by their dotted names, such as {"noisy_copies": 5}; those below
            `SETTINGS`.

    Raises:
        SettingError: There is no YAML of a name, an object is of another kind, or an option would change nothing.
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

    def __post_init__(self) -> None:
        for group, argument in GROUPS.items():
            if isinstance(given := getattr(self, argument), str):
                check_choice(argument, given, names_of(group))
            elif argument in KINDS and not isinstance(given, KINDS[argument]):
                allowed = f"one of {', '.join(map(repr, names_of(group)))}, or a {KINDS[argument].__name__}"
                raise SettingError(argument, given, allowed)
        if not isinstance(self.metrics, str | Mapping):
            raise SettingError("metrics", self.metrics, "the name of a YAML in conf/metric, or {name: metric}")
        if not isinstance(self.settings, Mapping):
            raise SettingError("settings", self.settings, 'a dictionary such as {"noisy_copies": 5}')
        for name in self.settings:
            self._check_setting(name)
        for used in USED:
            if not isinstance(self.method, str) and getattr(self, used) != _default(used):
                hint = "A method that is an object has its own; give it to its constructor."
                raise SettingError(used, getattr(self, used), "left out", hint)

    def _check_setting(self, name: object) -> None:
        """Raise unless something is made with it."""
        group, *rest = str(name).split(".")
        if group not in SETTINGS or (not rest and group in GROUPS):
            raise SettingError("settings", name, f"one of {', '.join(SETTINGS)}, or what is below them")
        maker = "method" if group in OF_METHOD else GROUPS.get(group)
        for argument in {maker, GROUPS.get(group)} - {None}:
            if not isinstance(getattr(self, str(argument)), str):
                raise SettingError("settings", name, f"left out, since {argument} is an object, made with its own")

    def configuration(self) -> DictConfig:
        """That of `agg2exp explain` with the same choices.

        Raises:
            SettingError: There is no YAML of a name, or no such setting.
        """
        chosen = {group: getattr(self, argument) for group, argument in GROUPS.items()}
        words = [f"{group}={name}" for group, name in chosen.items() if isinstance(name, str)]
        try:
            with composed(words) as config:
                pass
            own = ("classes", "mask_policy", "seed", "twins")
            values = {**{name: getattr(self, name) for name in own}, "regions": self.regions_from,
                      "module.class_chunk": self.class_chunk, **self.settings}  # fmt: skip
            for name, value in values.items():
                if OmegaConf.select(config, name.rpartition(".")[0] or name, default=self) is self:
                    raise SettingError("settings", name, "the name of a setting of agg2exp explain")
                OmegaConf.update(config, name, list(value) if isinstance(value, tuple) else value)
        except (HydraException, OmegaConfBaseException) as error:
            allowed = "settings of agg2exp explain"
            raise SettingError("explain", [*words, *self.settings], allowed, str(error)) from error
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
            if not takes and given != _default(used):
                raise SettingError(used, given, "left out", f"method={self.method} takes no {used}.")
            if takes and not isinstance(given, str):
                objects[argument] = given
        method: Attributor = build(config, "attribution", **objects)
        return method


def _default(argument: str) -> object:
    return PythonCall.__dataclass_fields__[argument].default


def _kind(thing: object) -> str:
    if isinstance(thing, Mapping):
        return ", ".join(thing)
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
