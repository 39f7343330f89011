"""Only a kill leaves a case under way."""

from pathlib import Path

from agg2exp.store.under_way import UnderWay


def part(journal: UnderWay, *cases: str, killed: bool = False) -> None:
    journal.start()
    for case in cases:
        journal.begin(case)
    if not killed:
        journal.end()


def test_cases_of_killed_parts_are_counted(tmp_path: Path):
    journal = UnderWay(tmp_path)
    assert journal.killed() == {}
    journal.end()
    assert not journal.path.exists()
    part(journal, "a", "b", "c", killed=True)
    assert journal.killed() == {"a": 1, "b": 1, "c": 1}
    part(journal, "d", "c")
    assert journal.killed() == {"a": 1, "b": 1, "c": 1}
    part(journal, "c", "c", killed=True)
    assert journal.killed() == {"a": 1, "b": 1, "c": 2}


def test_lines_that_were_cut_off_are_no_trouble(tmp_path: Path):
    journal = UnderWay(tmp_path)
    part(journal, "ü/1", killed=True)
    with journal.path.open("ab") as file:
        file.write(b'{"case": "b\n3\nnull\n\xff\n[]\n')
    journal.begin("c")
    assert journal.killed() == {"ü/1": 1, "c": 1}
