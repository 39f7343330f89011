"""What an experiment sets for one option does no harm to another."""

from pathlib import Path

import pytest

from agg2exp.cli.application import JobError, build
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.leftovers import without_leftovers
from tests.helpers.runs import composed

METHODS = sorted(path.stem for path in (conf_dir() / "attribution").glob("*.yaml"))


@pytest.mark.parametrize("method", METHODS)
def test_the_demo_takes_any_method(method: str, tmp_path: Path):
    words = ["experiment=demo", f"attribution={method}", "supervoxels=cubes"]
    with composed("explain", words, tmp_path) as config:
        assert build(without_leftovers(config), "attribution").name


def test_the_demo_keeps_its_four_samples(tmp_path: Path):
    with composed("explain", ["experiment=demo"], tmp_path) as config:
        assert build(config, "attribution").n_samples == 4
    with composed("explain", [], tmp_path) as config:
        assert build(config, "attribution").n_samples == 20


def test_nodes_without_a_class_are_none(tmp_path: Path):
    words = ["experiment=demo", "data=totalsegmentator", "data.root=/scans"]
    with composed("explain", words, tmp_path) as config:
        assert "generator" in config.data
        assert without_leftovers(config).data.generator is None
    with composed("explain", ["experiment=planted_bias", "supervoxels=none"], tmp_path) as config:
        assert without_leftovers(config).supervoxels == {}
    with composed("explain", ["experiment=table1", "metric=efficiency"], tmp_path) as config:
        assert config.metric.faithfulness
        cleaned = without_leftovers(config)
        assert cleaned.metric.faithfulness is None
        assert cleaned.metric.efficiency == config.metric.efficiency
    with composed("explain", ["experiment=table1"], tmp_path) as config:
        assert without_leftovers(config) == config


@pytest.mark.parametrize("supervoxels", sorted(path.stem for path in (conf_dir() / "supervoxels").glob("*.yaml")))
def test_an_experiment_with_a_label_map_takes_any_supervoxels(supervoxels: str, tmp_path: Path):
    words = ["experiment=planted_bias", f"supervoxels={supervoxels}"]
    with composed("explain", words, tmp_path) as config:
        cleaned = without_leftovers(config)
        built = build(cleaned, "supervoxels")
        assert built is not None
        assert (getattr(built, "label_map_file", None) is not None) == (supervoxels == "labelmap")


def test_a_setting_that_the_command_line_gives_is_no_leftover(tmp_path: Path):
    words = ["experiment=planted_bias", "supervoxels=cubes", "supervoxels.path=atlas.nii.gz"]
    with composed("explain", words, tmp_path) as config, pytest.raises(JobError, match="path"):
        build(without_leftovers(config), "supervoxels")


def test_an_override_with_an_interpolation_is_read_as_it_was_typed(tmp_path: Path):
    words = ["metric=insertion_deletion", "supervoxels=labelmap", "attribution=vanilla_gradient"]
    words += ["supervoxels.path='{case}/atlas.nii.gz'", "metric.insertion_deletion.supervoxels=${supervoxels}"]
    with composed("explain", words, tmp_path) as config:
        assert build(without_leftovers(config), "metric.insertion_deletion").supervoxels is not None
