"""The data that a job reads: chosen by somebody, and with a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.application import build
from agg2exp.domain.errors import SettingError
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.run.datamodule import CaseDataModule
from agg2exp.supervoxels.asked import label_map_file

GROUP, ROOT = "data", "data.root"


def data_module(config: DictConfig, model: SegmentationModel, users: Iterable[object] = ()) -> CaseDataModule:
    """The data module that the configuration describes, for a model.

    A folder without a choice of what it holds is refused, since the default generates phantoms.

    Args:
        config: The whole configuration.
        model: Its classes and preprocessing are what the data are read for.
        users: Methods and metrics, whose supervoxels may need a label map with each case.

    Raises:
        SettingError: `data.root` is missing, or was given without a choice of `data`.
        JobError: Another setting is wrong.
    """
    root = OmegaConf.select(config, ROOT)
    if not isinstance(root, str) or not root.strip():
        raise SettingError(ROOT, root, "the folder of the data set", f"Give {ROOT}=<folder>.")
    if is_given(ROOT) and not is_chosen(GROUP, HydraConfig.get().job.config_name, _words()):
        raise SettingError(
            ROOT,
            root,
            "a choice of data beside it",
            f"Say what the folder holds, or is to hold, by {_in_words(_options(GROUP))}.",
        )
    made: CaseDataModule = build(
        config, GROUP, labels=model.labels, preprocessing=model.preprocessing, label_map=label_map_file(users)
    )
    return made


def _in_words(options: list[str]) -> str:
    return ", ".join(f"{GROUP}={option}" for option in options[:-1]) + f" or {GROUP}={options[-1]}"


def is_given(key: str) -> bool:
    """Whether the command line sets a value, by its own key or in `parent={name: value}`."""
    parent, _, name = key.rpartition(".")
    for override in OverridesParser.create().parse_overrides(_words()):
        value = override.value()
        if override.key_or_group == key or (
            override.key_or_group == parent and isinstance(value, Mapping) and name in value
        ):
            return True
    return False


def _words() -> list[str]:
    """The overrides of the command line as they were typed, interpolations unresolved."""
    if not HydraConfig.initialized():
        return []
    words = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return [str(word) for word in words] if isinstance(words, list) else []


def is_chosen(group: str, config_name: str | None, overrides: Sequence[str]) -> bool:
    """Whether the overrides, or a configuration that they name, choose an option of a group."""
    loader = GlobalHydra.instance().config_loader()
    defaults = loader.compute_defaults_list(config_name, list(overrides), RunMode.RUN)
    return group in defaults.overrides.override_choices


def _options(group: str) -> list[str]:
    options = GlobalHydra.instance().config_loader().get_group_options(group)
    return sorted(option for option in options if option != "base")
