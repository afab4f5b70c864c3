"""A small server that speaks the part of the Hugging Face hub's interface that uploading and downloading need."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

OWNER, READER = "hf_owner", "hf_reader"
"""The tokens of a user who may write, and of one who may only read what is public."""

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Repository:
    """A model: its branches by name, and the files of each commit."""

    private: bool
    branches: dict[str, str] = field(default_factory=lambda: {"main": "0" * 40})
    commits: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"0" * 40: {".gitattributes": b""}})

    def files(self, revision: str) -> dict[str, bytes] | None:
        return self.commits.get(self.branches.get(revision, revision))

    def sha(self, revision: str) -> str:
        return self.branches.get(revision, revision)


@dataclass
class Hub:
    """The state of the hub, and what tests want to go wrong."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    breaks: str | None = None
    """A pattern of requests whose connection breaks in the middle of the answer."""
    changes: Callable[[bytes], bytes] = bytes
    """What is done to the content of downloads."""

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> Answer:
        self.requests.append(f"{method} {path}")
        for pattern, respond in ROUTES.items():
            wanted, _, route = pattern.partition(" ")
            if method in wanted.split("|") and (match := re.fullmatch(route, path)):
                if token not in (None, OWNER, READER):
                    return _error(401, "", "Invalid credentials in Authorization header")
                return respond(self, token, body, **match.groupdict())
        return _error(404, "", f"no route for {method} {path}")


def _json(value: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _error(status: int, code: str, message: str) -> Answer:
    headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return status, headers, json.dumps({"error": message}).encode()


def _find(hub: Hub, token: str | None, name: str, revision: str = "main") -> Repository | Answer:
    repository = hub.repositories.get(name)
    if repository is None or (repository.private and token != OWNER):
        return _error(404 if token else 401, "RepoNotFound", "Repository not found")
    if repository.files(unquote(revision)) is None:
        return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    return repository


def _create(hub: Hub, token: str | None, body: bytes) -> Answer:
    values = json.loads(body)
    name = f"{values['organization']}/{values['name']}"
    if token != OWNER:
        return _error(403, "", "You don't have the rights to create a model under this namespace")
    if name in hub.repositories:
        return _json({"error": "You already created this model repo", "url": f"{hub.url}/{name}"}, 409)
    private = values.get("private") or values.get("visibility") == "private"
    hub.repositories[name] = Repository(bool(private))
    return _json({"url": f"{hub.url}/{name}"})


def _branch(hub: Hub, token: str | None, body: bytes, name: str, revision: str) -> Answer:
    repository = _find(hub, token, name)
    if not isinstance(repository, Repository):
        return repository
    if unquote(revision) in repository.branches:
        return _error(409, "", "Reference already exists")
    repository.branches[unquote(revision)] = repository.branches["main"]
    return _json({})


def _preupload(hub: Hub, token: str | None, body: bytes, name: str, revision: str) -> Answer:
    if token != OWNER:
        return _error(403, "", "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
    repository = _find(hub, token, name, revision)
    if not isinstance(repository, Repository):
        return repository
    files = [file["path"] for file in json.loads(body)["files"]]
    modes = {path: "lfs" if path.endswith((".safetensors", ".png")) else "regular" for path in files}
    return _json({"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()]})


def _batch(hub: Hub, token: str | None, body: bytes, name: str) -> Answer:
    objects = []
    for entry in json.loads(body)["objects"]:
        actions = {"upload": {"href": f"{hub.url}/storage/{entry['oid']}"}}
        objects.append(entry if entry["oid"] in hub.stored else {**entry, "actions": actions})
    return _json({"transfer": "basic", "objects": objects})


def _store(hub: Hub, token: str | None, body: bytes, oid: str) -> Answer:
    if hashlib.sha256(body).hexdigest() != oid:
        return _error(400, "", "the content has another digest")
    hub.stored[oid] = body
    return 200, {"ETag": f'"{oid}"'}, b""


def _commit(hub: Hub, token: str | None, body: bytes, name: str, revision: str) -> Answer:
    repository = _find(hub, token, name, revision)
    if not isinstance(repository, Repository):
        return repository
    files = dict(repository.files(unquote(revision)) or {})
    for line in body.splitlines():
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            files[value["path"]] = hub.stored[value["oid"]]
        elif entry["key"] == "deletedFile":
            del files[value["path"]]
    sha = hashlib.sha1(body).hexdigest()
    repository.commits[sha] = files
    repository.branches[unquote(revision)] = sha
    return _json({"commitUrl": f"{hub.url}/{name}/commit/{sha}", "commitOid": sha})


def _info(hub: Hub, token: str | None, body: bytes, name: str, revision: str = "main") -> Answer:
    repository = _find(hub, token, name, revision)
    if not isinstance(repository, Repository):
        return repository
    sha = repository.sha(unquote(revision))
    siblings = [{"rfilename": path} for path in repository.commits[sha]]
    return _json({"id": name, "modelId": name, "sha": sha, "private": repository.private, "siblings": siblings})


def _tree(hub: Hub, token: str | None, body: bytes, name: str, revision: str) -> Answer:
    repository = _find(hub, token, name, revision)
    if not isinstance(repository, Repository):
        return repository
    entries = []
    for path, content in (repository.files(unquote(revision)) or {}).items():
        sha256 = hashlib.sha256(content).hexdigest()
        lfs = {"oid": sha256, "size": len(content), "pointerSize": 130} if sha256 in hub.stored else None
        entries.append(
            {"type": "file", "path": path, "size": len(content), "oid": sha256[:40], **({"lfs": lfs} if lfs else {})}
        )
    return _json(entries)


def _resolve(hub: Hub, token: str | None, body: bytes, name: str, revision: str, path: str) -> Answer:
    repository = _find(hub, token, name, revision)
    if not isinstance(repository, Repository):
        return repository
    files = repository.files(unquote(revision)) or {}
    if unquote(path) not in files:
        return _error(404, "EntryNotFound", "Entry not found")
    content = files[unquote(path)]
    headers = {"X-Repo-Commit": repository.sha(unquote(revision)), "Accept-Ranges": "bytes"}
    return 200, {**headers, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}, hub.changes(content)


_NAME, _REVISION = r"(?P<name>[\w.-]+/[\w.-]+)", r"(?P<revision>[^/]+)"
ROUTES: dict[str, Callable[..., Answer]] = {
    "POST /api/repos/create": _create,
    "POST /api/validate-yaml": lambda hub, token, body: _json({"warnings": [], "errors": []}),
    f"POST /api/models/{_NAME}/branch/{_REVISION}": _branch,
    f"POST /api/models/{_NAME}/preupload/{_REVISION}": _preupload,
    f"POST /{_NAME}\\.git/info/lfs/objects/batch": _batch,
    r"PUT /storage/(?P<oid>[0-9a-f]{64})": _store,
    f"POST /api/models/{_NAME}/commit/{_REVISION}": _commit,
    f"GET /api/models/{_NAME}": _info,
    f"GET /api/models/{_NAME}/revision/{_REVISION}": _info,
    f"GET /api/models/{_NAME}/tree/{_REVISION}": _tree,
    f"GET|HEAD /{_NAME}/resolve/{_REVISION}/(?P<path>.+)": _resolve,
}


@contextmanager
def serving() -> Iterator[Hub]:
    """Run a hub on this machine during the `with` block."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
            path = urlsplit(self.path).path
            status, headers, content = hub.answer(self.command, path, token, body)
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            broken = hub.breaks is not None and re.search(hub.breaks, f"{self.command} {path}")
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if broken else content)
            self.close_connection = self.close_connection or bool(broken)

        do_GET = do_HEAD = do_POST = do_PUT = _respond  # noqa: N815 - http.server's names

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
