"""Turn the address of a model on a server into a folder on this machine."""

from __future__ import annotations

from pathlib import Path

from cgkit.models.remote.hub import download_from_hub, parse_hub_address
from cgkit.models.remote.web import download_from_web


def fetch(address: str) -> Path:
    """Return the folder of a model, downloaded unless it is in the cache already.

    Only a configuration and safetensors files are downloaded. Nothing in them is executed, and no plugin that the model
    needs is installed.

    Args:
        address: `hf:USER/NAME`, `hf:USER/NAME@REVISION`, or the URL of a model folder, optionally followed by
            `#sha256=` and the digest of its `config.json`.

    Raises:
        UsageError: the address is invalid, there is no such model, or the package `huggingface_hub` is missing.
        CheckpointError: the server offers something else than the model that its configuration describes.
        ResourceError: the server cannot be reached and the cache has no copy, or the cache cannot be written.
    """
    if address.lower().startswith("hf:"):
        return download_from_hub(*parse_hub_address(address))
    return download_from_web(address)
