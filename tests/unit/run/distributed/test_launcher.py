"""What Lightning's internals are relied on for, and what a job leaves behind."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from lightning import Trainer
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from lightning.pytorch.trainer.states import TrainerFn

from agg2exp.domain.environment import JOB_VARIABLE
from agg2exp.domain.errors import RankLostError, SettingError
from agg2exp.run.distributed import launcher
from agg2exp.run.distributed.launcher import JobLauncher
from agg2exp.run.distributed.strategy import CaseStrategy

PREDICTING = SimpleNamespace(state=SimpleNamespace(fn=TrainerFn.PREDICTING), _signal_connector=SimpleNamespace())


def job_launcher(output: Path, processes: int = 1) -> JobLauncher:
    return JobLauncher(LightningEnvironment(), processes, 1, output, devices="2", patience=60)


@pytest.fixture
def in_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*launcher.OF_ONE_JOB, launcher.SIGNS, launcher.PARENT, "WORLD_SIZE", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(JOB_VARIABLE, "explain")


@pytest.mark.parametrize("folder", ["plain", "with space", "a=b,c", 'quote"and\\slash', "b[0]{1}"])
def test_children_run_one_job_in_its_folder(in_no_job: None, tmp_path: Path, folder: str):
    command = job_launcher(tmp_path / folder).command()
    assert command[:5] == [sys.executable, "-P", "-m", "agg2exp", "explain"]
    assert command[5:9] == ["--config-path", str(tmp_path / folder), "--config-name", "config"]
    values = {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(command[9:])}
    assert values == {
        "hydra.run.dir": str(tmp_path / folder),
        "hydra.output_subdir": None,
        "hydra/job_logging": "none",
        "hydra/hydra_logging": "none",
        "trainer.devices": 2,
    }


def test_a_job_leaves_environment_and_threads_as_they_were(in_no_job: None, tmp_path: Path):
    def job() -> str:
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "127.0.0.1", "29500"
        assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"])
        torch.set_num_threads(threads + 1)
        return "done"

    before, threads = dict(os.environ), torch.get_num_threads()
    assert job_launcher(tmp_path).launch(job, trainer=PREDICTING) == "done"
    assert dict(os.environ) == before
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("error", [ValueError("own"), KeyboardInterrupt(), RankLostError("no contact")])
def test_rank_0_s_own_errors_stay_what_they_are(in_no_job: None, tmp_path: Path, error: BaseException):
    def job() -> None:
        raise error

    started = job_launcher(tmp_path)
    with pytest.raises(type(error)) as raised:
        started.launch(job, trainer=PREDICTING)
    assert raised.value is error
    started.watch.join(5)
    assert not started.watch.is_alive()


def test_training_is_refused_before_anything_starts(in_no_job: None, tmp_path: Path):
    fitting = SimpleNamespace(state=SimpleNamespace(fn=TrainerFn.FITTING))
    with pytest.raises(SettingError, match="trainer: expected a trainer on one device"):
        job_launcher(tmp_path, processes=2).launch(lambda: None, trainer=fitting)


def test_what_is_overridden_exists_in_lightning():
    assert {"launch", "_call_children_scripts", "kill"} <= set(vars(_SubprocessScriptLauncher))
    assert callable(Trainer(logger=False)._signal_connector.register_signal_handlers)
    ours = {"_configure_launcher", "setup", "barrier", "broadcast", "teardown"}
    assert ours <= set(vars(DDPStrategy)) & set(vars(CaseStrategy))
    assert all(hasattr(DDPStrategy, name) for name in ("on_predict_start", "on_predict_end", "predict_step"))


@pytest.mark.parametrize(("devices", "words"), [(["cpu", "cpu", "cpu"], "3"), (["cuda:0", "cuda:2"], "[0,2]")])
def test_children_get_the_devices_of_rank_0(tmp_path: Path, devices: list[str], words: str):
    strategy = CaseStrategy(
        tmp_path, parallel_devices=[torch.device(d) for d in devices], cluster_environment=LightningEnvironment()
    )
    strategy._configure_launcher()
    assert strategy.launcher.devices == words


def test_patience_is_checked(tmp_path: Path):
    with pytest.raises(SettingError, match=r"strategy\.patience: .* at least 1"):
        CaseStrategy(tmp_path, patience=0)
