"""What every job shares: readable errors, and objects made from the configuration."""

from __future__ import annotations

import functools
import logging
import re
import warnings
from collections.abc import Callable
from typing import Any

from hydra.errors import CompactHydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.own_folder import owned_output
from agg2exp.domain.errors import DataError, RankLostError, SettingError
from agg2exp.domain.text import visible


class JobError(CompactHydraException):
    """A mistake that the user can mend: printed as it is, without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message, keep="\n"))


class _Visible(logging.Filter):
    """No message commands the terminal, whatever names are in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = visible(record.getMessage(), keep="\n\t"), None
        return True


VISIBLE = _Visible()


def one_log() -> None:
    """One line per message: Hydra's handlers write it, Lightning's own do not; its advertising is left out.

    A process that another rank started has no handlers of Hydra's and is silent until it explains cases of its own
    (`agg2exp.run.distributed`). Call it after importing Lightning.
    """
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).handlers.clear()
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.distributed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")


def job(task: Callable[[DictConfig], None]) -> Callable[[DictConfig], None]:
    """Run a job in a folder of its own, and turn the mistakes that users make into messages without a traceback."""

    @functools.wraps(task)
    def run(config: DictConfig) -> None:
        for handler in logging.getLogger().handlers:
            handler.addFilter(VISIBLE)
        try:
            with owned_output(config):
                task(config)
        except (DataError, RankLostError, SettingError) as error:
            raise JobError(f"agg2exp: {error}") from error

    return run


def build(config: DictConfig, key: str, **objects: Any) -> Any:
    """Make the object that a node of the configuration describes.

    Args:
        config: The whole configuration.
        key: The node.
        objects: Further arguments, handed over as they are (Hydra would turn records into configuration).

    Raises:
        JobError: A value is not allowed; the message names the key, the value and what is allowed.
    """
    node = OmegaConf.select(config, key)
    try:
        if not objects:
            return instantiate(node, _convert_="object")
        return instantiate(node, _partial_=True, _convert_="object")(**objects)
    except InstantiationException as error:
        cause, place = error.__cause__, re.search(r"full_key: (\S+)", str(error))
        if not isinstance(cause, TypeError | ValueError):
            raise
        raise JobError(_message(config, place.group(1) if place else key, cause)) from error
    except (TypeError, ValueError) as error:  # raised by the call with `objects`
        raise JobError(_message(config, key, error)) from error


def _message(config: DictConfig, key: str, cause: Exception) -> str:
    """The key of the setting in front of what is wrong with it."""
    if not isinstance(cause, SettingError):
        return f"agg2exp: {key}: {cause}"
    head, _, rest = cause.setting.partition(".")
    if cause.setting.startswith(key):
        setting = cause.setting
    elif head == key.rpartition(".")[2]:  # a part names its own settings by what it is in the whole
        setting = f"{key}.{rest}" if rest else key
    else:
        setting = f"{key}.{cause.setting}"
    return f"agg2exp: {_origin(config, setting)}{str(cause).removeprefix(cause.setting)}"


def _origin(config: DictConfig, key: str) -> str:
    """The key that a user sets: `classes` where the configuration says `module.explainer.classes: ${classes}`."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent)
    if not isinstance(node, DictConfig) or name not in node or not OmegaConf.is_interpolation(node, name):
        return key
    reference = re.fullmatch(r"\$\{([\w.]+)\}", str(OmegaConf.to_container(node, resolve=False)[name]))  # type: ignore[call-overload,index]
    return reference[1] if reference else key


def plain(config: DictConfig) -> dict[str, Any]:
    """The resolved configuration as plain dicts and lists."""
    content = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    if not isinstance(content, dict):
        raise TypeError(f"expected a mapping, got {type(content).__name__}")
    return {str(k): v for k, v in content.items()}
