"""The published JSON Schema of spec files. ``python -m nova_virt_api.specfile.schema`` writes it anew."""

import json
from pathlib import Path
from typing import Any, Final

from nova_virt_api.specfile.reader import SPEC

FILE: Final = Path(__file__).with_name("instance.schema.json")
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema, made from what the reader accepts."""
    return {"$schema": DIALECT, "title": "A guest to be made by nova-virt", **SPEC.schema()}


def schema_text() -> str:
    """The schema as its file has it."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
