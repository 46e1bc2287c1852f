"""Small specifications, made in the tests."""

import json
from pathlib import Path
from typing import Any

Document = dict[str, Any]

__all__ = ["Document", "minimal", "query", "write"]


def minimal() -> Document:
    """Return a specification with one operation, ``GET /things/{uuid}``, and one definition."""
    return {
        "swagger": "2.0",
        "info": {"title": "Things", "version": "1.0"},
        "host": "things.example",
        "basePath": "/v1",
        "paths": {
            "/things/{uuid}": {
                "get": {
                    "summary": "Get a thing",
                    "parameters": [
                        {"name": "uuid", "in": "path", "required": True, "type": "string"},
                        {"name": "size", "in": "query", "type": "integer"},
                    ],
                    "responses": {
                        "200": {"description": "It.", "schema": {"$ref": "#/definitions/Thing"}}
                    },
                }
            }
        },
        "definitions": {
            "Thing": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "description": "Its name."},
                    "parts": {"type": "array", "items": {"type": "string"}},
                },
            }
        },
    }


def query(name: str, **schema: object) -> Document:
    """Return a query parameter."""
    return {"name": name, "in": "query", "type": "string", **schema}


def write(document: Document, path: Path) -> Path:
    """Write `document` as a specification, and return its path."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
