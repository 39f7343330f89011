"""Objects from the configuration, and messages that name the setting a user wrote."""

import logging
import sys

import pytest
from omegaconf import OmegaConf

from agg2exp.cli.application import JobError, build, job, plain
from agg2exp.domain.errors import DataError, SettingError, check_range

HERE = "tests.unit.cli.test_application"


class Part:
    """Has a setting that must be positive, and a part of its own."""

    def __init__(self, size: int, inner: object = None, scheme: object = None) -> None:
        check_range("size", size, 1, integer=True)
        self.size, self.inner, self.scheme = size, inner, scheme


class Broken:
    def __init__(self, **_: object) -> None:
        raise KeyError("a bug, not a setting")


class Named:
    """A part that says what it is in the whole."""

    def __init__(self, size: int) -> None:
        check_range("inner.size", size, 1, integer=True)
        raise SettingError("inner", size, "another size")


def config(**part: object):
    return OmegaConf.create({"size": 0, "part": {"_target_": f"{HERE}.Part", **part}})


def test_objects_are_made_with_plain_lists_and_dicts():
    made = build(config(size=2, inner={"a": [1, 2]}), "part")
    assert made.size == 2
    assert type(made.inner) is dict
    assert type(made.inner["a"]) is list


def test_objects_are_handed_over_as_they_are():
    scheme = object()
    assert build(config(size=2), "part", scheme=scheme).scheme is scheme


@pytest.mark.parametrize("objects", [{}, {"scheme": None}], ids=["instantiated", "called"])
@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"size": 0}, "agg2exp: part.size: expected a whole number of at least 1, got 0."),
        ({"size": "${size}"}, "agg2exp: size: expected a whole number of at least 1, got 0."),
        ({"size": 1, "foo": 2}, "agg2exp: part: Part.__init__() got an unexpected keyword argument 'foo'"),
        ({}, "agg2exp: part: Part.__init__() missing 1 required positional argument: 'size'"),
        (
            {"size": 1, "inner": {"_target_": f"{HERE}.Part", "size": -1}},
            "agg2exp: part.inner.size: expected a whole number of at least 1, got -1.",
        ),
        (
            {"size": 1, "inner": {"_target_": f"{HERE}.Named", "size": -1}},
            "agg2exp: part.inner.size: expected a whole number of at least 1, got -1.",
        ),
        (
            {"size": 1, "inner": {"_target_": f"{HERE}.Named", "size": 1}},
            "agg2exp: part.inner: expected another size, got 1.",
        ),
    ],
)
def test_mistake_is_named_by_the_key_the_user_wrote(part, message: str, objects):
    with pytest.raises(JobError) as caught:
        build(config(**part), "part", **objects)
    assert str(caught.value) == message


def test_setting_that_already_has_its_group_keeps_its_name():
    def raises(**_: object) -> None:
        raise SettingError("part.deep.size", 3, "less")

    cfg = OmegaConf.create({"part": {"_target_": f"{HERE}.{raises.__name__}"}})
    globals()["raises"] = raises
    with pytest.raises(JobError, match=r"^agg2exp: part\.deep\.size: expected less, got 3\.$"):
        build(cfg, "part", scheme=None)


def test_bugs_keep_their_traceback():
    cfg = OmegaConf.create({"part": {"_target_": f"{HERE}.Broken"}})
    with pytest.raises(Exception, match="a bug") as caught:
        build(cfg, "part")
    assert not isinstance(caught.value, JobError)
    with pytest.raises(KeyError):
        build(cfg, "part", scheme=None)


def test_job_turns_setting_errors_into_messages_and_nothing_else():
    @job
    def task(cfg):
        raise {"setting": SettingError("a.b", 1, "two"), "bug": RuntimeError("bug")}[cfg.kind]

    with pytest.raises(JobError, match=r"^agg2exp: a\.b: expected two, got 1\.$"):
        task(OmegaConf.create({"kind": "setting"}))
    with pytest.raises(RuntimeError, match="bug"):
        task(OmegaConf.create({"kind": "bug"}))


def test_plain_resolves_everything():
    assert plain(OmegaConf.create({"a": 1, "b": ["${a}", {"c": "${a}"}]})) == {"a": 1, "b": [1, {"c": 1}]}
    with pytest.raises(Exception, match="Missing mandatory value: a"):
        plain(OmegaConf.create({"a": "???"}))


def test_neither_errors_nor_the_log_command_the_terminal(capsys: pytest.CaptureFixture[str]):
    handler = logging.StreamHandler(sys.stdout)
    logging.getLogger().addHandler(handler)

    @job
    def task(config):
        logging.getLogger("agg2exp").warning("case %s", "a\x1b[31m\nb")
        raise DataError("case c\x1b]0;title\x07")

    try:
        with pytest.raises(JobError, match=r"agg2exp: case c\\x1b\]0;title\\x07"):
            task(OmegaConf.create({}))
    finally:
        logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().out == "case a\\x1b[31m\nb\n"
