"""The schemas in the documentation are those of the code."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from clemd.messages import TOPICS
from clemd.publishing import schemas, write_schemas

SHIPPED = Path(__file__).parents[3] / "docs" / "schemas"


def test_shipped_schemas_are_current(tmp_path: Path) -> None:
    """Run `clemd.publishing.write_schemas(Path("docs/schemas"))` when this fails."""
    fresh = {path.name: path.read_text() for path in write_schemas(tmp_path)}

    assert {path.name: path.read_text() for path in SHIPPED.glob("*.json")} == fresh


@pytest.mark.parametrize("name", sorted(schemas()))
def test_each_is_a_valid_schema(name: str) -> None:
    """Other languages generate code from them."""
    jsonschema.Draft202012Validator.check_schema(schemas()[name])


def test_every_topic_has_one() -> None:
    """A topic without a schema could change unnoticed."""
    assert {f"clemd.{topic}.1.json" for topic in TOPICS} <= set(schemas())


def test_unknown_field_in_a_body_is_invalid() -> None:
    """A misspelt field would be lost without a word."""
    schema = json.loads((SHIPPED / "clemd.job.1.json").read_text())
    body = {"topic": "job", "job_id": 1, "kind": "k", "state": "done", "subject": "s"}
    body["reason"] = ""
    jsonschema.validate(body, schema)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body | {"sbject": ""}, schema)
