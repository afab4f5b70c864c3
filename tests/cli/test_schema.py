from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema

from tests.conftest import Result

Cli = Callable[..., Result]


def test_the_schema_is_printed_or_written(cgkit: Cli, tmp_path: Path) -> None:
    printed = cgkit("schema")
    assert printed.code == 0
    jsonschema.Draft7Validator.check_schema(printed.json)
    written = cgkit("schema", "--output", tmp_path / "for" / "spec.schema.json")
    assert (written.code, written.out) == (0, "")
    assert "#:schema ./spec.schema.json" in written.err
    assert json.loads((tmp_path / "for" / "spec.schema.json").read_text()) == printed.json
