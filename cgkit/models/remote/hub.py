"""Models of the Hugging Face hub, by `hf:USER/NAME`, through the hub's own client and its cache."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cgkit.errors import CgkitError, CheckpointError, ResourceError, UsageError
from cgkit.models.config import CONFIG
from cgkit.models.info import DIRECTIONS, MODEL, RAW

LOG_IN = "log in with: hf auth login"
FILES = (CONFIG, "README.md", MODEL, RAW, *(f"generator_{direction}.safetensors" for direction in DIRECTIONS))
"""The files of a model folder, the last ones of format 1."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[\w][\w./-]{0,199}", re.ASCII)


def parse_hub_address(address: str) -> tuple[str, str | None]:
    """Return the name and the revision in `hf:USER/NAME@REVISION`; None without a revision.

    Raises:
        UsageError: the address has another form.
    """
    name, at, revision = address[len("hf:") :].partition("@")
    return check_name(name), check_revision(revision) if at else None


def check_name(name: str) -> str:
    """Return a model's name on the hub, or raise a `UsageError` if it is not of the form `USER/NAME`."""
    if not _NAME.fullmatch(name) or ".." in name or "--" in name:
        raise UsageError(f"{name!r} is not the name of a model on the hub", hint="write it as USER/NAME")
    return name


def check_revision(revision: str) -> str:
    """Return the name of a branch or tag, or a commit, or raise a `UsageError` if no revision has such a name."""
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise UsageError(f"{revision!r} is not a revision", hint="name a branch, a tag or a commit")
    return revision


def download_from_hub(name: str, revision: str | None) -> Path:
    """Return the folder of a model in the cache of the hub's client, downloading what is missing or has changed.

    If the hub cannot be reached, the copy in the cache is used. For the errors, see `fetch`.
    """
    client = import_client()
    with hub_errors_explained(name, revision), without_progress_bars(client):
        folder = client.snapshot_download(
            name, revision=revision, allow_patterns=[*FILES], library_name="cgkit", library_version=version("cgkit")
        )
    return Path(folder)


def import_client() -> Any:
    """Return the package `huggingface_hub`, or raise a `UsageError` if it is not installed."""
    try:
        importlib.import_module("huggingface_hub.utils")  # which the package does not import by itself
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        hint = 'pip install "cgkit[hub]"'
        raise UsageError("the Hugging Face hub needs the package huggingface_hub", hint=hint) from error


@contextmanager
def hub_errors_explained(name: str, revision: str | None) -> Iterator[None]:
    """Turn what the hub's client raises in the `with` block into errors for the user.

    Raises:
        UsageError: there is no such model or revision, or the user may not use it.
        CheckpointError: the hub answered with something unexpected.
        ResourceError: the hub cannot be reached.
    """
    try:
        yield
    except CgkitError:
        raise
    except Exception as error:  # the client documents some of its exceptions, but raises those of other libraries too
        raise _explain(error, name, revision) from error


def _explain(error: Exception, name: str, revision: str | None) -> CgkitError:
    errors = importlib.import_module("huggingface_hub.errors")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return UsageError(f"{name} is open only to users whom its owner admitted", hint=f"ask on its page; {LOG_IN}")
    if isinstance(error, errors.RevisionNotFoundError):
        return UsageError(f"{name} has no revision {revision or 'main'}", hint="name a branch, a tag or a commit")
    if isinstance(error, errors.RepositoryNotFoundError):
        return UsageError(f"the hub has no model {name} that you may see", hint=f"check its name; if private, {LOG_IN}")
    if status == 401 or isinstance(error, errors.LocalTokenNotFoundError):
        return UsageError("the hub does not accept your token, or you have none", hint=LOG_IN)
    if status == 403:
        return UsageError(f"your token does not permit this for {name}", hint=f"use a token that may write; {LOG_IN}")
    if status is not None:
        return CheckpointError(f"the hub refused {name}: {status} {_first_line(error)}", hint="try again later")
    # The two classes from which the client's HTTP errors derive are those of the network.
    if isinstance(error, errors.HfHubHTTPError.__bases__) or _is_unreachable(error):
        hint = "check your network connection, and try again"
        return ResourceError(f"the connection to the hub failed for {name}: {_first_line(error)}", hint=hint)
    return CheckpointError(f"the hub's answer about {name} is not understood: {_first_line(error)}")


def _is_unreachable(error: BaseException) -> bool:
    return type(error).__name__ in ("LocalEntryNotFoundError", "IncompleteSnapshotError")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error.__cause__ or error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:200]


@contextmanager
def without_progress_bars(client: Any) -> Iterator[None]:
    """Keep the client's progress bars out of the output of commands, which show their own."""
    disabled = client.utils.are_progress_bars_disabled()
    if not disabled:
        client.utils.disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            client.utils.enable_progress_bars()
