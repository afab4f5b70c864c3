"""Upload a model to the Hugging Face hub, as `cgkit push` does."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cgkit.errors import CgkitWarning, UsageError
from cgkit.models.remote.hub import (
    FILES,
    LOG_IN,
    check_name,
    check_revision,
    hub_errors_explained,
    import_client,
    without_progress_bars,
)
from cgkit.plugins import Plugins, load_plugins
from cgkit.sharing.card import PAGE
from cgkit.sharing.contents import SAMPLES, Contents, gather

_OURS = re.compile("|".join([*map(re.escape, (*FILES, PAGE)), rf"{SAMPLES}/(a2b|b2a)-\d+-(source|translation)\.png"]))


@dataclass(frozen=True)
class Pushed:
    """An upload, or what would be uploaded.

    Attributes:
        files: the size in bytes of each file, by name.
        url: the page of the model; None if nothing was sent.
    """

    files: Mapping[str, int]
    url: str | None = None


def push(
    run_or_model: str | os.PathLike[str],
    name: str,
    *,
    private: bool = False,
    revision: str | None = None,
    page: bool = False,
    dry_run: bool = False,
    plugins: Plugins | None = None,
) -> Pushed:
    """Upload a model with its card and samples in one commit, which also removes files of an earlier upload.

    Args:
        run_or_model: a run folder, a model folder or a kept checkpoint, such as `RUN@1200`, `RUN@best` or `RUN@last`.
        name: the name on the hub, `USER/NAME`; a model of that name is created, or gets a new version.
        private: whether only the user and those whom they admit may see the model.
        revision: the branch to upload to, created if it does not exist; by default `main`.
        page: whether to add a web page that translates images, which needs a plugin that writes one.
        dry_run: whether to return the files without sending anything.
        plugins: the loaded plugins; by default all installed plugins are loaded.

    Raises:
        CheckpointError: there is no such model, it is damaged, or the hub's answer is not understood.
        UsageError: the user has no token or no permission, the name or the revision is invalid, the model is public
            although `private` is asked for, or a text of the model names a folder of this machine.
        ResourceError: the hub cannot be reached, or the connection broke. The hub then has its previous version.
    """
    name = check_name(name.removeprefix("hf:"))
    revision = None if revision is None else check_revision(revision)
    plugins = plugins or load_plugins()
    client = None if dry_run else _client()
    with TemporaryDirectory(prefix="cgkit-push-") as workspace:
        contents = gather(run_or_model, name, plugins, Path(workspace), page=page)
        if contents.licence is None:
            _warn(
                "the model has no licence, so nobody may use it: add a line such as license: mit to the header of its "
                "README.md, or for a run: cgkit run RUN --set license=mit"
            )
        if client is None:
            return Pushed(contents.sizes)
        with hub_errors_explained(name, revision):
            url = _upload(client, contents, name, private=private, revision=revision)
        return Pushed(contents.sizes, url)


def _client() -> Any:
    client = import_client()
    if client.get_token() is None:
        raise UsageError("you are not logged in to the Hugging Face hub", hint=LOG_IN)
    return client


def _upload(client: Any, contents: Contents, name: str, *, private: bool, revision: str | None) -> str:
    api = client.HfApi(library_name="cgkit", library_version=version("cgkit"))
    api.create_repo(name, private=private, exist_ok=True)
    if private and not api.repo_info(name).private:
        problem = f"{name} exists and is public, so nothing was sent"
        raise UsageError(problem, hint="make it private in its settings on the hub, or choose another name")
    if revision is not None:
        api.create_branch(name, branch=revision, exist_ok=True)
    info = contents.info
    with without_progress_bars(client):
        api.create_commit(
            name,
            list(_operations(client, api, contents, name, revision)),
            commit_message=f"Upload {info.spec.name}, step {info.step}",
            revision=revision,
        )
    return f"{api.endpoint}/{name}" + (f"/tree/{revision}" if revision else "")


def _operations(client: Any, api: Any, contents: Contents, name: str, revision: str | None) -> Iterator[Any]:
    for path, file in contents.files.items():
        yield client.CommitOperationAdd(path_in_repo=path, path_or_fileobj=file)
    for path in api.list_repo_files(name, revision=revision):
        if _OURS.fullmatch(path) and path not in contents.files:
            yield client.CommitOperationDelete(path_in_repo=path)


def _warn(message: str) -> None:
    warnings.warn(message, CgkitWarning, stacklevel=3)
