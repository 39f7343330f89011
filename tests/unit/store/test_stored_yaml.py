"""YAML from elsewhere is data: nothing is called, and a few bytes do not fill the memory."""

import os
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from agg2exp.domain.errors import DataError
from agg2exp.store.stored_yaml import DEEPEST, MOST_BYTES, read_stored_yaml


def read(folder: Path, content: str | bytes) -> object:
    path = folder / "stored.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_stored_yaml(path)


def test_what_omegaconf_writes_is_read_as_it_was(tmp_path: Path):
    content = {
        "a": {"_target_": "os.system", "x": [1, 1e-5, 2.5, True, None]},
        "date": "2026-01-31",
        "word": "${oc.env:HOME}",
        "number": "1e-4",
        "ü": ["", "yes", "0012", "a: b", "x" * 300, "a\tb"],
    }
    OmegaConf.save(OmegaConf.create(content), tmp_path / "stored.yaml")
    assert read_stored_yaml(tmp_path / "stored.yaml") == content


def test_a_date_without_quotes_is_a_word(tmp_path: Path):
    assert read(tmp_path, "day: 2026-01-31") == {"day": "2026-01-31"}


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{y}: &{y} [{', '.join(['*' + x] * 9)}]" for x, y in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "got an anchor or alias"),
        ("a: !!python/object/apply:os.system [touch canary]", "got the tag '.*os.system'"),
        ("a: !!python/name:os.system", "got the tag"),
        ("a: !!int ''", "got the tag"),
        ("a\tb: 1", "got a tab"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), f"got more than {DEEPEST} levels"),
        ("[" * 100_000, f"got more than {DEEPEST} levels"),
        ("a: 1\n" * (MOST_BYTES // 4), f"at most {MOST_BYTES} bytes, got more"),
        ("a: " + "9" * 5000, "expected YAML as agg2exp writes it, got Exceeds the limit"),
        ("a: 0b_", "expected YAML as agg2exp writes it"),
        ("a: [", "expected YAML as agg2exp writes it"),
        ("a: 1\n---\nb: 2", "expected YAML as agg2exp writes it"),
        ("{}: 1", "expected YAML as agg2exp writes it"),
        (b"a: \x00\xff", "expected YAML as agg2exp writes it"),
        (b"a: \xff\xfe", "expected YAML as agg2exp writes it"),
    ],
)
def test_what_agg2exp_never_writes_is_refused(tmp_path: Path, content: str | bytes, message: str):
    with pytest.raises(DataError, match=rf"stored\.yaml: .*{message}"):
        read(tmp_path, content)


def test_what_is_no_file_is_named_and_nobody_waits_for_it(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in ("pipe.yaml", "nowhere.yaml", "."):
        with pytest.raises(DataError, match="expected a YAML file, got none"):
            read_stored_yaml(tmp_path / name)
