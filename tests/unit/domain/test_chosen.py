"""Ids as typed on the command line."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from agg2exp.domain.chosen import chosen_ids
from agg2exp.domain.errors import SettingError

IDS = ["1001", "0012", "1e5", "1_1", "null", "true", "nan", "1.0", "s1", "sub-01/ses-1", "-3", "inf", "1.2.840", "0"]


def typed(word: str) -> object:
    return OverridesParser.create().parse_override(f"data.cases=[{word}]").value()


@pytest.mark.parametrize("case", IDS)
def test_an_id_is_found_as_it_is_typed(case: str):
    assert chosen_ids("data.cases", typed(case), IDS, "meta.csv") == [case]
    assert chosen_ids("data.cases", case, IDS, "meta.csv") == [case]


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z0-9._+/-]{1,8}", fullmatch=True))
@example("00")
@example("1__1")
@example("1_")
@example(".5")
@example("+1_000.5")
@example("Infinity")
@example("-NaN")
def test_any_id_is_found_as_it_is_typed(case: str):
    try:
        value = typed(case)
    except HydraException:  # not a word of Hydra's grammar: it has to be quoted anyway
        assume(False)
    assert chosen_ids("data.cases", value, [case, "other"], "meta.csv") == [case]


@pytest.mark.parametrize(
    ("chosen", "known"), [("1e5", ["1e5", "100000.0"]), ("1.0", ["1.0", "1.00"]), ("11", ["1_1", "11"]),
                          ("true", ["True", "true"])],
)  # fmt: skip
def test_what_could_be_two_ids_is_refused_and_can_be_quoted(chosen: str, known: list[str]):
    with pytest.raises(SettingError, match=r"data\.cases: expected one id, where .* read alike.*Quote it"):
        chosen_ids("data.cases", typed(chosen), known, "meta.csv")
    assert chosen_ids("data.cases", typed(f'"{chosen}"'), known, "meta.csv") == [c for c in known if c == chosen]


@pytest.mark.parametrize("chosen", [[12], ["12"], [1], [{"s1": 1}], [["s1"]], [], {}, 7.5, "s", [None, "s9"]])
def test_what_is_no_id_is_refused(chosen: object):
    with pytest.raises(SettingError, match=r"data\.cases: expected ids of meta\.csv \(0012, s1, …\), got "):
        chosen_ids("data.cases", chosen, ["0012", "s1"], "meta.csv")


def test_each_chosen_id_comes_once_in_the_order_chosen():
    assert chosen_ids("data.cases", ["s2", 7, "s2"], ["7", "s1", "s2"], "meta.csv") == ["s2", "7"]
