"""The description of the interface for programs, in the OpenAPI format."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from cgkit.serving.limits import Limits
from cgkit.serving.translating import CHOICES, MAX_SCALE

Json = dict[str, Any]

ERRORS = {
    "400": "An option is unknown or has an invalid value, or there is no image.",
    "401": "The token is missing or wrong.",
    "403": "The request comes from the page of another server.",
    "404": "There is no such run.",
    "408": "The upload took too long.",
    "409": "The run is not in a state for this, or its model cannot be loaded.",
    "413": "The file is too large.",
    "421": "The server is not called by that host.",
    "422": "The image is damaged, too large, or of the wrong kind.",
    "429": "Too many translations wait; the header Retry-After says when to ask again.",
    "500": "The process that translates ended.",
    "504": "The translation took too long.",
    "507": "There is not enough memory or disk space.",
}


def describe(limits: Limits) -> Json:
    """Return the OpenAPI description of the server."""
    run = {
        "name": "run",
        "in": "path",
        "required": True,
        "description": "As in the list.",
        "schema": {"type": "string"},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cgkit serve",
            "version": metadata.version("cgkit"),
            "description": "Runs, and translating with their models. A server that others can reach needs its token.",
        },
        "paths": {
            "/api/runs": {"get": _describe_json("List the runs below the served folders", "runs", "401", "403")},
            "/api/runs/{run}": {
                "parameters": [run],
                "get": _describe_json("Return a run, its progress and models", "run", "404"),
            },
            "/api/runs/{run}/stop": {
                "parameters": [run],
                "post": _describe_json("Ask a run to save its state and stop", "asked", "404", "409", "507", ok="202"),
            },
            "/api/runs/{run}/continue": {
                "parameters": [run],
                "post": _describe_json("Continue a run", "asked", "404", "409", ok="202"),
            },
            "/api/runs/{run}/translate": {"parameters": [run], "post": _describe_translating(limits)},
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _describe_translating(limits: Limits) -> Json:
    words = {name: {"type": "string", "enum": list(choices)} for name, choices in CHOICES.items()}
    schemas = {
        **words,
        "at": {"type": "string", "pattern": "^(best|last|[0-9]{1,15})?$"},
        "scale": {"anyOf": [{"enum": ["native", "trained"]}, {"type": "number", "maximum": MAX_SCALE}]},
        "max_side": {"type": "integer", "minimum": 1},
        "format": {"type": "string"},
        "name": {"type": "string"},
    }
    texts = {
        "direction": "The direction of translation; by default a2b.",
        "weights": "ema for the moving average of the weights, raw for the weights as trained.",
        "size": "own for the size of the image, scaled for that at which it is translated.",
        "metadata": "Whether date, place and camera are kept.",
        "at": "The model: best, last, or the step of a checkpoint; by default the final one.",
        "scale": "The scale at which the image is translated.",
        "max_side": "The longest side of the translation; larger images are scaled down.",
        "format": "The suffix of the file to return, such as png; by default that of the image.",
        "name": "The name of the image file, which is used for that of the answer.",
    }
    binary: Json = {"schema": {"type": "string", "format": "binary"}}
    most = f"At most {limits.upload / 2**20:g} MiB and {limits.pixels / 1e6:g} million pixels."
    headers = {
        "x-cgkit-step": {"description": "The step of the model.", "schema": {"type": "integer"}},
        "x-cgkit-remarks": {"description": "What was changed or lost: a JSON list.", "schema": {"type": "string"}},
    }
    return {
        "summary": "Translate the image in the body",
        "parameters": [
            {"name": name, "in": "query", "description": texts[name], "schema": schema}
            for name, schema in schemas.items()
        ],
        "requestBody": {"required": True, "description": most, "content": {"image/*": binary}},
        "responses": {
            "200": {"description": "The translated file.", "headers": headers, "content": {"image/*": binary}},
            **_describe_errors(*(status for status in ERRORS)),
        },
    }


def _describe_json(summary: str, schema: str, *errors: str, ok: str = "200") -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    responses = {ok: {"description": summary, "content": content}, **_describe_errors("401", "403", "421", *errors)}
    return {"summary": summary, "responses": responses}


def _describe_errors(*statuses: str) -> Json:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}
    return {status: {"description": ERRORS[status], "content": content} for status in sorted(set(statuses))}


def _schemas() -> Json:
    text, number, whole = {"type": "string"}, {"type": ["number", "null"]}, {"type": ["integer", "null"]}
    run = {
        "type": "object",
        "required": ["run", "name", "state", "step", "steps", "sheet", "score", "scores", "directions"],
        "properties": {
            **dict.fromkeys(("run", "name", "state", "problem", "at", "error"), text),
            **dict.fromkeys(("step", "steps", "sheet"), whole),
            **dict.fromkeys(("score", "updated", "epoch", "epochs", "images_per_second", "seconds_left"), number),
            **{name: {"type": "object"} for name in ("scores", "losses", "directions")},
            "metric": {"type": ["string", "null"]},
            "models": {"type": "array", "items": {"type": "object"}},
        },
    }
    return {
        "run": run,
        "runs": {
            "type": "object",
            "required": ["schema", "runs"],
            "properties": {"schema": {"const": 1}, "runs": {"type": "array", "items": run}},
        },
        "asked": {"type": "object", "required": ["asked"], "properties": {"asked": text, "log": text}},
        "error": {"type": "object", "required": ["error"], "properties": {"error": text, "hint": text}},
    }
