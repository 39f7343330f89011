"""An assumption is said aloud, and not for every case."""

import logging
from dataclasses import replace

import pytest

from agg2exp.domain.case import Failure
from agg2exp.run.notices import Notices
from tests.helpers.explanations import small_case


def test_a_notice_is_told_at_its_first_case_and_counted_at_the_end(caplog: pytest.LogCaptureFixture):
    notices = Notices()
    for name, said in (("a", ("no unit",)), ("b", ("no unit", "no body")), ("c", ())):
        notices.on_predict_batch_start(None, None, replace(small_case(name), notices=said), 0)
    notices.on_predict_batch_start(None, None, Failure("d", "reading", "no file", ""), 0)
    with caplog.at_level(logging.WARNING):
        notices.on_predict_end(None, None)
    assert caplog.messages == ["case a: no unit", "case b: no body", "2 cases: no unit"]
