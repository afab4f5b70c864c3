"""The description of the interface for programs, in the OpenAPI format."""

from __future__ import annotations

import json
from importlib import metadata
from importlib.resources import files
from typing import Any

from cgkit.serving.limits import Limits


def describe(limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI description of a server with some limits."""
    text = files("cgkit.serving").joinpath("templates", "openapi.json").read_text(encoding="utf-8")
    description: dict[str, Any] = json.loads(text)
    description["info"]["version"] = metadata.version("cgkit")
    most = f"At most {limits.upload / 2**20:g} MiB and {limits.pixels / 1e6:g} million pixels."
    description["paths"]["/api/runs/{run}/translate"]["post"]["requestBody"]["description"] = most
    return description
