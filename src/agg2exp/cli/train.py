"""`agg2exp train`: fit a segmentation model, keep its best weights, test them."""

from __future__ import annotations

import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig

from agg2exp.cli.application import JobError, build, job, one_log
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.domain.errors import SettingError

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")
@job
def main(config: DictConfig) -> None:
    """Fit, save `weights.safetensors`, and write Dice per class of the test split."""
    import pandas as pd
    from lightning import seed_everything

    from agg2exp.cli.data_choice import data_module
    from agg2exp.cli.leftovers import without_leftovers
    from agg2exp.cli.parts import model_facts, tracked, trainer
    from agg2exp.io.tabular import for_spreadsheet
    from agg2exp.models.checkpoint import load_weights, save_weights
    from agg2exp.models.weights_file import WeightsError

    one_log()
    seed_everything(config.seed, workers=True)
    config = without_leftovers(config)
    output = Path(config.paths.output)
    data = data_module(config)
    labels = build(config, "model.labels")
    network, facts = build(config, "model.network"), model_facts(config.model, labels)
    if config.start:
        try:
            load_weights(network, config.start, facts)
        except (SettingError, WeightsError) as error:
            raise JobError(f"agg2exp: start: {error}") from error
    module = build(config, "module", network=network, inference=build(config, "inference"), labels=labels)
    run = trainer(config)
    with tracked(run.loggers, config):
        run.fit(module, datamodule=data)
        (result,) = run.test(module, datamodule=data, ckpt_path="best", weights_only=True)

    weights = output / "weights.safetensors"
    save_weights(network, weights, facts)
    dice = {name: result[f"test/dice/{name}"] for name in labels.classes}
    table = pd.DataFrame({"class": dice.keys(), "dice": dice.values()})
    for_spreadsheet(table).to_csv(output / "test_dice.csv", index=False)
    log.info("mean Dice over the structures of the test cases: %.3f", result["test/dice"])
    log.info("weights: %s (explain them with model.weights=%s)", weights, weights)
