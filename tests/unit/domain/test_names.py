"""File names made of names that users give."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agg2exp.domain.names import UnusableNameError, leads_outside, original_name, problem_of, safe_name, twins

NAMES = st.text(min_size=1, max_size=40)


def made(name: str) -> str | None:
    try:
        return safe_name(name)
    except UnusableNameError:
        return None


@settings(deadline=None)
@given(NAMES)
@example("../../escaped")
@example("/etc/passwd")
@example("a/\u0307")  # the mark would join the F of %2F
@example("\u1100\u1161")  # two letters that normal form C joins
@example("%2F")
def test_a_file_name_turns_back_into_its_name(name: str):
    file = made(name)
    assert file is None or original_name(file) == name


@settings(deadline=None)
@given(NAMES)
@example("..")
@example(".hidden")
@example("C:\\temp")
@example("nul.txt")
@example("a. ")
@example("~")
def test_a_file_name_is_one_visible_part_below_its_folder_on_every_system(name: str):
    file = made(name)
    if file is None:
        return
    assert Path("/run/cases", file).parent == Path("/run/cases")
    assert not {*file} & {*'/\\:*?"<>|\0'} and file.isprintable()
    assert not file.startswith((".", " ", "~")) and not file.endswith((".", " "))
    assert file.split(".")[0].casefold() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
    assert unicodedata.is_normalized("NFC", file)
    assert len(f".writing-12345678{file}.safetensors".encode()) <= 255


@settings(deadline=None)
@given(st.lists(NAMES, max_size=8, unique=True))
@example(["S1", "s1"])
@example(["Müller", unicodedata.normalize("NFD", "Müller")])
@example(["Straße", "STRASSE"])
def test_names_without_a_problem_have_files_apart_also_where_case_does_not_count(names: list[str]):
    if problem_of(names):
        return
    files = {unicodedata.normalize("NFC", safe_name(name).casefold()) for name in names}
    assert len(files) == len(names)


@pytest.mark.parametrize(
    "name",
    [
        "s0001",
        "LUNG1-001",
        "lung_upper_lobe_left",
        "1.2.840.113619",
        "case 7",
        "Müller",
        "患者1",
        "a+b=c,d@e(f)",
        "-3",
        "COM",
    ],
)
def test_ordinary_names_are_their_own_file_names(name: str):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("sub-01/ses-1", "sub-01%2Fses-1"),
        ("../up", "%2E.%2Fup"),
        ("a\\b", "a%5Cb"),
        ("50%", "50%25"),
        ("aux", "%61ux"),
        ("Com1.x", "%43om1.x"),
        (unicodedata.normalize("NFD", "ü"), "u%CC%88"),
        ("a\u202eb", "a%E2%80%AEb"),
        ("x[1]*", "x%5B1%5D%2A"),
    ],
)
def test_what_no_file_name_may_have_is_encoded(name: str, file: str):
    assert safe_name(name) == file and original_name(file) == name


@pytest.mark.parametrize(
    ("name", "expected"), [("", "not empty"), ("a\nb", "control"), ("\x1b[31m", "control"), ("x" * 201, "at most 200"),
                           ("/" * 67, "at most 200"), ("\ud800", "control")],
)  # fmt: skip
def test_what_is_no_name_is_refused(name: str, expected: str):
    with pytest.raises(UnusableNameError, match=expected):
        safe_name(name)
    assert expected in problem_of([name])


def test_names_that_differ_in_case_alone_are_twins():
    assert twins(["b", "S1", "s2", "s1", "S1"]) == [("S1", "s1")]
    assert "'S1', 's1'" in problem_of(["S1", "s1"])
    assert problem_of(["s1", "s2"]) == ""


@pytest.mark.parametrize("path", ["/a", "..", "a/../b", "a\\..\\b", "~root", "C:x", "\\\\host\\share"])
def test_paths_that_leave_their_folder_are_known(path: str):
    assert leads_outside(path)


@pytest.mark.parametrize("path", ["a", "sub-01/ses-1", "..a/b", "a..", "x/.y"])
def test_paths_that_stay_are_known(path: str):
    assert not leads_outside(path)
