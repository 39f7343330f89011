"""Two bars, closed whatever happens."""

from types import SimpleNamespace

from agg2exp.domain.roles import Silent
from agg2exp.run.progress import ExplanationProgress

TRAINER = SimpleNamespace(num_predict_batches=[2])


def test_module_reports_its_windows_to_the_bar():
    bar, module = ExplanationProgress(), SimpleNamespace(progress=Silent())
    bar.on_predict_start(TRAINER, module)
    module.progress.begin("s1", 4)
    module.progress.advance(3)
    bar.on_predict_batch_end()
    cases, windows = bar._progress.tasks
    assert (cases.completed, cases.total) == (1, 2)
    assert (windows.completed, windows.total, windows.description) == (3, 4, "windows of s1")
    bar.on_exception(TRAINER, module, KeyboardInterrupt())
    module.progress.advance(1)  # nothing is open any more, and nothing happens
    bar.on_predict_end(TRAINER, module)


def test_other_processes_show_nothing():
    bar, module = ExplanationProgress(), SimpleNamespace(progress=Silent())
    bar.disable()
    bar.on_predict_start(TRAINER, module)
    assert isinstance(module.progress, Silent)
    bar.enable()
    bar.on_predict_start(TRAINER, module)
    assert module.progress is bar
    bar.on_predict_end(TRAINER, module)
