"""Look for files that surprise their reader, guided by the code that they reach: `guided.py TARGET SECONDS`.

It needs atheris, which instruments cgkit and what it reads files with. Files that reach new code are kept in
`fuzzed/guided/TARGET`, where the next call continues; one that surprises is `fuzzed/TARGET-...`.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import traceback
import warnings
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import atheris  # type: ignore[import-untyped]

INSTRUMENTED = ["cgkit", "cgkit_shards", "json", "numpy.lib", "PIL", "tifffile", "tomllib", "zipfile"]

with atheris.instrument_imports(include=INSTRUMENTED):
    from cgkit.errors import CgkitError, SpecError
    from tests.fuzz.mutations import mutate
    from tests.fuzz.targets import ROOT, TARGETS

SECONDS = 20
"""After which reading a file counts as hung, on a machine that does other things, too."""
MEMORY = 4096
"""The megabytes that the process may take, torch and the instrumentation included."""


def main(name: str, seconds: str) -> None:
    """Read the intact files and those that were found before, then as many variants as there is time for."""
    target, kept = TARGETS[name], ROOT / "fuzzed"
    if target.starts_a_process:
        sys.exit(f"{name} is read in a process of its own, which cannot be followed")
    corpus = kept / "guided" / name
    corpus.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    os.chdir(work := Path(tempfile.mkdtemp(prefix="cgkit-fuzz-")))
    with atheris.instrument_imports(include=INSTRUMENTED):  # readers import what they need when they are called
        examples = list(target.examples(work))
        file = target.folder(work) / target.name
        for number, example in enumerate(examples):
            (corpus / f"intact-{number}").write_bytes(example)
            file.write_bytes(example)
            with suppress(CgkitError):  # such as a spec that needs a package
                target.read(file)

    def read(content: bytes) -> None:
        file.write_bytes(content)
        try:
            target.read(file)
        except CgkitError as error:
            if "\n" in str(error).strip() and not isinstance(error, SpecError):
                give_up(content)
        except Exception:  # noqa: BLE001 - any is a finding
            give_up(content)

    def give_up(content: bytes) -> None:
        """Keep the file and end at once: torch's threads would keep a process that fails otherwise."""
        found = kept / f"{name}-{sha256(content).hexdigest()[:8]}"
        found.write_bytes(content)
        sys.stderr.write(f"{traceback.format_exc()}\nthe file is {found}\n")
        os._exit(1)

    def vary(content: bytes, limit: int, seed: int) -> bytes:
        draws = random.Random(seed)
        return bytes(atheris.Mutate(content, limit)) if seed % 2 else mutate(content, draws, examples)[:limit]

    limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEMORY}", "-max_len=65536"]
    atheris.Setup([name, *limits, f"-artifact_prefix={kept / name}-", str(corpus)], read, custom_mutator=vary)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
