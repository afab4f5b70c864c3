"""ONNX Runtime Web, which runs networks in a browser: downloaded once, checked, and kept in the user's cache folder."""

from __future__ import annotations

import base64
import hashlib
import tarfile
import urllib.request
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from cgkit.errors import ResourceError, UsageError
from cgkit.files.atomic import replacing
from cgkit.files.cache import cache_folder

VERSION = "1.30.0"
ADDRESS = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""The digest of the package, as the npm registry states it in `dist.integrity`, in base64."""

LICENCE = """ONNX Runtime Web, MIT License. Copyright (c) Microsoft Corporation. All rights reserved.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated \
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the \
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit \
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the \
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE \
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR \
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR \
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""
"""The licence of the package, which has no file of it."""

_TIMEOUT = 60
_MEMBERS = {
    False: {
        "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
        "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    },
    True: {
        "ort.webgpu.bundle.min.mjs": "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
        "ort-wasm-simd-threaded.asyncify.wasm": "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
    },
}
"""The needed files of the package's folder `dist`, with their SHA-256, without and with WebGPU."""


@dataclass(frozen=True)
class Runtime:
    """The program, an ECMAScript module, the WebAssembly that it loads, and whether they can use WebGPU."""

    script: str
    wasm: bytes
    webgpu: bool


def get_runtime(package: Path | None, webgpu: bool = False) -> Runtime:
    """Return the runtime from a package, from the cache folder, or from the npm registry.

    Args:
        package: the npm package; None to use the copy in the cache folder, which is first downloaded if necessary.
        webgpu: whether it should be able to use WebGPU, which makes it twice as large.

    Raises:
        UsageError: the package cannot be read or is another one, or the registry cannot be reached.
    """
    if package is not None:
        try:
            return _unpack(package.read_bytes(), str(package), webgpu)
        except OSError as error:
            raise UsageError(f"{package} cannot be read: {error.strerror or error}") from error
    kept = _read_kept(webgpu)
    return kept if kept is not None else _unpack(_download(), ADDRESS, webgpu)


def _folder() -> Path:
    """Return the folder for what was downloaded."""
    return cache_folder() / f"onnxruntime-web-{VERSION}"


def _download() -> bytes:
    try:
        with urllib.request.build_opener().open(ADDRESS, timeout=_TIMEOUT) as response:
            content: bytes = response.read()
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise UsageError(
            f"ONNX Runtime Web cannot be downloaded from {ADDRESS}: {reason}",
            hint=f"where there is a network, run: npm pack onnxruntime-web@{VERSION}; then add "
            f"--option runtime=onnxruntime-web-{VERSION}.tgz",
        ) from error
    return content


def _unpack(content: bytes, origin: str, webgpu: bool) -> Runtime:
    """Check a package, keep its needed files in the cache folder, and return them."""
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != SHA512:
        raise UsageError(
            f"{origin} is not the package onnxruntime-web {VERSION}: its SHA-512 differs",
            hint=f"get it with npm pack onnxruntime-web@{VERSION}",
        )
    files = {}
    with tarfile.open(fileobj=BytesIO(content)) as package:
        for name in _MEMBERS[webgpu]:
            member = package.extractfile(f"package/dist/{name}")
            assert member is not None
            files[name] = member.read()
    _keep(files)
    return _as_runtime(files, webgpu)


def _keep(files: dict[str, bytes]) -> None:
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with replacing(folder / name) as temporary:
                temporary.write_bytes(content)
    except OSError as error:
        raise ResourceError(
            f"{folder} cannot be written: {error.strerror or error}", hint="set CGKIT_CACHE to another folder"
        ) from error


def _read_kept(webgpu: bool) -> Runtime | None:
    """Return the files in the cache folder; None unless all are there and unchanged."""
    files = {}
    for name, digest in _MEMBERS[webgpu].items():
        try:
            files[name] = (_folder() / name).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(files[name]).hexdigest() != digest:
            return None
    return _as_runtime(files, webgpu)


def _as_runtime(files: dict[str, bytes], webgpu: bool) -> Runtime:
    script, wasm = (files[name] for name in _MEMBERS[webgpu])
    return Runtime(script.decode(), wasm, webgpu)
