"""What the YAML files of conf describe, without a job: for calls from Python."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from agg2exp.cli.application import JobError, build
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.segmentation_model import trained_model, untrained_model
from agg2exp.domain.errors import SettingError, check_choice
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.models.trained import with_weights

ENDINGS = (".yaml", ".yml")
GIVEN = "given"  # name of a user's file while it is composed


def names_of(group: str) -> list[str]:
    """The choices of a group that agg2exp comes with."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def named(group: str, name: str) -> Any:
    """The object of a choice of a group, with the settings of `agg2exp explain`.

    Args:
        group: Such as "attribution" or "model/preprocessing".
        name: One of `names_of(group)`.

    Raises:
        SettingError: There is none of that name.
        JobError: It cannot be made.
    """
    check_choice(group, name, names_of(group))
    with composed([f"+{group}@{GIVEN}={name}"]) as config:
        return build(config, GIVEN)


def named_model(source: str | Path, weights: str | Path | None = None) -> SegmentationModel:
    """The model of a YAML, the same that `agg2exp explain model=…` makes.

    A path is one that ends in .yaml, or a `Path`; what its `_target_`s name is imported and called. Where its folder is
    called `model`, files of groups beside it (`labels/mine.yaml`) are found as with `--config-dir`.

    Args:
        source: The path, or one of `names_of("model")`.
        weights: In place of those that it names.

    Raises:
        SettingError: There is no such file, or it describes no model; the message says why.
        WeightsError: The `weights` do not fit.
    """
    is_file = isinstance(source, Path) or source.endswith(ENDINGS)
    path = Path(source).expanduser()
    if is_file and not path.is_file():
        raise SettingError("source", str(source), f"the path of a YAML, or one of {names_of('model')}")
    if not is_file:
        check_choice("source", source, names_of("model"))
    try:
        with _of_file(path) if is_file else composed([f"model={source}"]) as config:
            if weights is None:
                return trained_model(config)
            return with_weights(untrained_model(config), str(weights))
    except (JobError, HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        if isinstance(error, SettingError):
            raise
        problem = str(error).removeprefix("agg2exp: ").rstrip(".")
        raise SettingError(
            "source", str(source), f"the YAML of a model, as conf/model/unet.yaml ({problem})"
        ) from error


@contextmanager
def _of_file(path: Path) -> Iterator[DictConfig]:
    """The configuration with a user's file as its model."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model").mkdir()
        shutil.copy(path, Path(folder) / "model" / f"{GIVEN}.yaml")
        beside = [path.absolute().parent.parent] if path.absolute().parent.name == "model" else []
        with composed([f"model={GIVEN}"], [Path(folder), *beside]) as config:
            yield config


@contextmanager
def composed(overrides: Sequence[str], folders: Sequence[Path] = ()) -> Iterator[DictConfig]:
    """The configuration of `agg2exp explain`; a Hydra that is under way goes on as it was.

    Args:
        overrides: As on the command line.
        folders: Further folders of groups.
    """
    places = ", ".join(_quoted(f"file://{folder}") for folder in folders)
    under_way, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            yield compose("explain", [f"hydra.searchpath=[{places}]", *overrides])
    finally:
        GlobalHydra.instance().hydra = under_way


def _quoted(text: str) -> str:
    """As a text in the grammar of Hydra's overrides, where a backslash means itself unless it is before a quote."""
    return '"' + re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + ('\\"' if found[2] else ""), text) + '"'
