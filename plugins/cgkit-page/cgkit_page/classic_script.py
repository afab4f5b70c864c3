"""Turn an ECMAScript module into a classic script, because browsers refuse modules in workers of pages on disk."""

from __future__ import annotations

import re


def to_classic(module: str) -> str:
    """Return a classic script that defines the exports of a module as the properties of a constant `ort`.

    Raises:
        ValueError: the module does not end with an export.
    """
    text = re.sub(r"//# sourceMappingURL=.*", "", module).rstrip()
    found = re.search(r"export\{([^}]*)\};?$", text)
    if found is None:
        raise ValueError("the runtime does not end with an export")
    names = [part.split(" as ") for part in found[1].split(",")]
    exports = ", ".join(f"{names_[-1]}: {names_[0]}" for names_ in names)
    body = text[: found.start()].replace("import.meta.url", "self.location.href")
    return f"{body}const ort = {{ {exports} }};\n"
