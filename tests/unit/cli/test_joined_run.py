"""Which folders are shards, which shards are missing, and what the joined run says of itself."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from agg2exp.cli.joined_run import absent_shards, describe_joined, shards_of
from agg2exp.cli.run_settings import configuration, read_choices
from agg2exp.domain.errors import DataError
from tests.helpers.stored_runs import stored_run


def shard(folder: Path, which: str | None) -> Path:
    stored_run(folder, n=6)
    config = OmegaConf.load(folder / "config.yaml")
    config.data.shard = which
    config.paths = {"runs": "/runs", "output": str(folder)}
    OmegaConf.save(config, folder / "config.yaml")
    words = [f"data.shard={which}", f"output={folder}", "score=mean", "+data.shard=1/2"]
    OmegaConf.save(OmegaConf.create(words), folder / ".hydra" / "overrides.yaml")
    return folder


def test_jobs_of_a_multirun_are_shards_by_their_numbers(tmp_path: Path):
    jobs = [shard(tmp_path / "sweep" / str(n), None) for n in (2, 10)]
    alone = shard(tmp_path / "alone", None)
    assert shards_of([tmp_path / "sweep", alone, alone]) == [*jobs, alone]
    with pytest.raises(DataError, match=r"runs: expected the folder of a run, or of a multirun, got .*nothing"):
        shards_of([tmp_path / "nothing"])


@pytest.mark.parametrize(
    ("present", "absent"),
    [(["1/3", "3/3"], ["2/3"]), (["2/2", "1/2"], []), ([None], []), (["2/2", None], ["1/2"])],
)
def test_shards_that_are_missing_are_named(tmp_path: Path, present: list[str | None], absent: list[str]):
    assert absent_shards([shard(tmp_path / str(n), which) for n, which in enumerate(present)]) == absent


def test_the_joined_run_says_what_its_shards_said_but_for_the_shard(tmp_path: Path):
    one, joined = shard(tmp_path / "one", "1/2"), tmp_path / "joined"
    describe_joined([one], joined)
    config, before = configuration(joined), configuration(one)
    assert config["data"]["shard"] is None
    assert config["paths"] == {"runs": "/runs", "output": str(joined)}
    assert {**config, "data": 0, "paths": 0, "output": 0, "resume": 0} == {
        **before, "data": 0, "paths": 0, "output": 0, "resume": 0
    }  # fmt: skip
    assert read_choices(joined).overrides == ("score=mean",)
