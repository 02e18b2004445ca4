"""JSON Schemas of everything that travels, for programs without our library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from clemd.messages import MESSAGES

from ._command import Reply, Request
from ._frames import HEARTBEAT, Heartbeat
from ._header import Header, schema_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """File name -> schema of each body, the header, the request and the reply."""
    kinds: dict[str, type[BaseModel]] = {
        str(kind.model_fields["topic"].default): kind for kind in MESSAGES
    }
    kinds |= {
        HEARTBEAT: Heartbeat,
        "header": Header,
        "command": Request,
        "reply": Reply,
    }
    return {
        f"clemd.{name}.1.json": _schema(name, kinds[name]) for name in sorted(kinds)
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema into `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas().items():
        path = folder / name
        text = json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")
        written.append(path)
    return written


def _schema(name: str, kind: type[BaseModel]) -> dict[str, Any]:
    # As sent: what the bus always writes is required, even where Python has a default.
    mode: Any = "validation" if kind is Request else "serialization"
    schema = kind.model_json_schema(by_alias=True, mode=mode)
    return {"$schema": DIALECT, "$id": schema_of(name), **schema}
