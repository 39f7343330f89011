"""`agg2exp train`: fit a segmentation model, keep its best weights, test them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from agg2exp.cli.application import JobError, build, job, one_log
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.interruption import telling_how_to_resume
from agg2exp.domain.errors import CaseError
from agg2exp.domain.hints import pasted
from agg2exp.store.atomic import atomic_write

if TYPE_CHECKING:
    from lightning import Trainer

    from agg2exp.models.segmentation_model import SegmentationModel
    from agg2exp.run.datamodule import CaseDataModule
    from agg2exp.run.training_module import SegmentationModule

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")
@job
def main(config: DictConfig) -> None:
    """Fit, save `weights.safetensors`, and write Dice per class of the test split, if there is one."""
    kept = "the best weights so far and the state after the last whole epoch are kept in checkpoints/"
    with telling_how_to_resume(Path(config.paths.output), kept):
        _train(config)


def _train(config: DictConfig) -> None:
    from lightning import seed_everything

    from agg2exp.cli.builders import tracked
    from agg2exp.cli.data_choice import data_module
    from agg2exp.cli.leftovers import without_leftovers
    from agg2exp.cli.segmentation_model import loaded, untrained_model

    one_log()
    seed_everything(config.seed, workers=True)
    config = without_leftovers(config)
    model = untrained_model(config)
    if config.start:
        model = loaded(model, config.start, "start")
    data = data_module(config, model)
    module = build(config, "module", model=model)
    data.prepare_data()
    run, state = _going_on(config, module, data)
    n_cases = _keep_patients_here(run, data)
    with tracked(run.loggers, config), _naming_the_case():
        run.fit(module, datamodule=data, ckpt_path=state, weights_only=True)
        _save(run, model, Path(config.paths.output))
        if n_cases["test"]:
            _test(run, module, data, Path(config.paths.output))
        else:
            log.info("there are no cases of the split test, so that the weights are not tested")


def _going_on(config: DictConfig, module: SegmentationModule, data: CaseDataModule) -> tuple[Trainer, Path | None]:
    """The trainer, and the state that an earlier part of the training left, if there is one."""
    from agg2exp.cli.builders import trainer
    from agg2exp.cli.training import kept_state, log_beside, state_of, training_settings

    path = Path(config.paths.output) / "checkpoints" / "last.ckpt"
    settings = training_settings(config, module, data)
    before = kept_state(path, settings)
    if before is not None:
        log.info("the training goes on after epoch %d", before["epoch"] + 1)
        log_beside(config, before["epoch"] + 1)
    run = trainer(config)
    keeper = state_of(run)
    if keeper is not None:
        keeper.settings = settings
    return run, None if before is None else path


def _keep_patients_here(run: Trainer, data: CaseDataModule) -> Counter[str]:
    """Cases of each split; numbers of splits of one case stay on this machine."""
    from agg2exp.cli.training import keep_here
    from agg2exp.domain.privacy import FEWEST_TOLD

    n_cases = Counter(record.split for record in data.records(None))
    keep_here(run.loggers, [split for split in ("val", "test") if n_cases[split] < FEWEST_TOLD])
    return n_cases


def _save(run: Trainer, model: SegmentationModel, output: Path) -> None:
    """Write `weights.safetensors`, those of the best validation."""
    from agg2exp.cli.training import load_best
    from agg2exp.models.checkpoint import save_weights
    from agg2exp.models.facts import facts_of

    load_best(run, model.network)
    weights = output / "weights.safetensors"
    save_weights(model.network, weights, facts_of(model.labels, model.preprocessing, model.windows))
    log.info("weights: %s (explain them with %s)", weights, pasted("model.weights", weights))


def _test(run: Trainer, module: SegmentationModule, data: CaseDataModule, output: Path) -> None:
    """Write `test_dice.csv`."""
    import pandas as pd

    from agg2exp.store.spreadsheet import for_spreadsheet

    (result,) = run.test(module, datamodule=data, verbose=False)
    dice = {name: result[f"test/dice/{name}"] for name in module.labels.classes}
    table = pd.DataFrame({"class": dice.keys(), "dice": dice.values()})
    with atomic_write(output / "test_dice.csv") as path:
        for_spreadsheet(table).to_csv(path, index=False)
    log.info("mean Dice over the structures of the test cases: %.3f", result["test/dice"])


@contextmanager
def _naming_the_case() -> Iterator[None]:
    """Say which case cannot be read, if that is what went wrong, without a traceback."""
    try:
        yield
    except Exception as error:  # whatever wraps what a case raised: the loader's worker, Lightning
        case: BaseException | None = error
        while case is not None and not isinstance(case, CaseError):
            case = case.__cause__ or case.__context__
        if case is None:
            raise
        raise JobError(f"agg2exp: {case}") from error
