"""The public interface: names that other packages may import from cgkit, for the page `reference/python.md`.

Every name listed here keeps its meaning within a series of versions; other names may change in any version.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

from cgkit import contracts

PUBLIC: dict[str, tuple[str, ...] | None] = {
    "cgkit": ("Translator", "hookimpl", "load_plugins", "load_spec", "run"),
    "cgkit.contracts": tuple(contracts.__all__),
    "cgkit.abilities": None,
    "cgkit.errors": (
        "CgkitError",
        "CgkitWarning",
        "CheckpointError",
        "DamagedImageError",
        "DataError",
        "DivergedError",
        "PluginError",
        "Problem",
        "ResourceError",
        "RunFolderInUseError",
        "SpecError",
        "UnknownComponentError",
        "UsageError",
        "problems_from",
    ),
    "cgkit.hookspecs": (
        "RunFolderView",
        "RunView",
        "hookimpl",
        "cgkit_register",
        "cgkit_commands",
        "cgkit_run_started",
        "cgkit_step_finished",
        "cgkit_samples_written",
        "cgkit_checkpoint_saved",
        "cgkit_run_finished",
    ),
    "cgkit.registry": ("Component", "Registries", "Registry"),
    "cgkit.testing": ("Check", "CheckResult", "check_component", "check_plugin", "checks_for", "conformance"),
    "cgkit.cli": ("main",),
    "cgkit.cli.console": ("plugins",),
    "cgkit.display.reporter": ("Progress", "Reporter", "Silence"),
    "cgkit.runs.scores.evaluate": ("evaluate",),
    "cgkit.spec.loading": ("located",),
    "cgkit.spec.reading": ("Layer", "read_layer"),
    "cgkit.studies": ("read_study",),
    "cgkit.options": ("options_of",),
    "cgkit.engine.assembly": ("build_generator",),
    "cgkit.data.loading": ("UnpairedImages", "training_batches"),
    "cgkit.data.preparation": ("Preparation",),
    "cgkit.data.sampling": ("StepBatches",),
    "cgkit.images.pixels": ("PixelFormat",),
    "cgkit.components.metrics.efficientnet": ("load_network", "stages"),
    "cgkit.components.metrics.psnr": ("Psnr",),
    "cgkit.components.metrics.ssim": ("Ssim",),
    "cgkit.components.sources.seasons": ("Seasons",),
    "cgkit.checkpoints": ("list_checkpoints", "load_strictly"),
    "cgkit.exchange.foreign_files": ("read_foreign",),
    "cgkit.files.atomic": ("replace_text", "replacing"),
    "cgkit.files.cache": ("cache_folder",),
    "cgkit.files.holding_out": ("hold_out",),
    "cgkit.files.image_files": ("SUFFIXES", "describe_kinds", "list_images"),
    "cgkit.components.adversarial_losses.least_squares": ("LeastSquaresLoss",),
    "cgkit.components.augmentations.draws": None,
    "cgkit.components.exporters.onnx": ("INPUT", "OUTPUT", "Onnx"),
    "cgkit.components.exporters.unit_range": ("OnUnitRange",),
    "cgkit.components.discriminators.patch": ("PatchDiscriminator",),
    "cgkit.components.generators.resnet": ("ResnetGenerator",),
    "cgkit.components.generators.unet": ("UnetGenerator",),
    "cgkit.components.layers.fused.folded_convolution": ("FoldedConvolution",),
    "cgkit.components.layers.fused.norm_act_pad": ("norm_act_pad", "triton_on_every_device", "uses_triton"),
    "cgkit.components.layers.fused.operations": None,
    "cgkit.components.layers.normalisation": None,
    "cgkit.components.layers.padding": None,
    "cgkit.components.layers.sequence": ("Layers", "Residual"),
    "cgkit.components.layers.sizes": None,
}
"""The public names of each module; None means all names without a leading underscore that the module defines."""


def page() -> Iterator[str]:
    """Yield the parts of the page."""
    yield "# What plugins may import"
    yield (
        "Every name that other packages may import from cgkit, with its signature. These names keep their meaning\n"
        "within a series of versions (`0.1`, `0.2`, `1`, ...); everything else may change in any version. The\n"
        "packages under `plugins/` import nothing else. See the [contracts](../plugins/contracts.md), with examples."
    )
    for module, names in PUBLIC.items():
        yield f"## `{module}`"
        yield _first_sentence(importlib.import_module(module).__doc__)
        entries = "\n".join(_describe(module, name) for name in public_names(module, names))
        yield f"```py\n{entries.strip()}\n```"


def public_names(module: str, names: tuple[str, ...] | None) -> list[str]:
    """Return the public names of a module, in the order of `PUBLIC` or, without names there, of the module."""
    if names is not None:
        return list(names)
    defined = [name for node in _parse(module).body for name in _defined_by(node)]
    exported = getattr(importlib.import_module(module), "__all__", ())
    return [name for name in dict.fromkeys((*defined, *exported)) if not name.startswith("_")]


def _defined_by(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _describe(module: str, name: str) -> str:
    node = _definition(module, name)
    match node:
        case ast.FunctionDef():
            return _signature(node)
        case ast.ClassDef():
            lines = [_signature(part, "    ") for part in node.body if _is_public_method(part)]
            fields = [f"    {ast.unparse(part)}" for part in node.body if isinstance(part, ast.AnnAssign)]
            bases = ", ".join(map(ast.unparse, node.bases))
            return "\n".join([f"\nclass {name}({bases}):" if bases else f"\nclass {name}:", *fields, *lines])
        case ast.AnnAssign(annotation=annotation):
            return f"{name}: {ast.unparse(annotation)}"
        case ast.Assign(value=value):
            text = ast.unparse(value)
            return f"{name} = {text if len(text) <= 100 else '...'}"
    raise LookupError(f"{module}.{name} is not defined")


def _definition(module: str, name: str) -> ast.stmt | None:
    """Return the statement that defines a name, in the module itself or in the module that it imports the name from."""
    tree = _parse(module)
    imported = [
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]
    ]
    origin = getattr(getattr(importlib.import_module(module), name), "__module__", None)
    for place in dict.fromkeys([module, *imported, origin]):
        if place is not None and place.startswith("cgkit"):
            found = [node for node in _parse(place).body if name in _defined_by(node)]
            if found:
                return found[0]
    return None


def _parse(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(importlib.import_module(module)))


def _is_public_method(part: ast.stmt) -> bool:
    return isinstance(part, ast.FunctionDef) and (
        not part.name.startswith("_") or part.name in ("__init__", "__call__")
    )


def _signature(node: ast.stmt, indent: str = "") -> str:
    assert isinstance(node, ast.FunctionDef)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    marks = "".join(f"{indent}@{d}\n" for d in decorators if d in ("property", "staticmethod", "classmethod"))
    return f"{marks}{indent}def {node.name}({ast.unparse(node.args)}){returns}"


def _first_sentence(documentation: str | None) -> str:
    return inspect.cleandoc(documentation or "").partition("\n\n")[0].replace("\n", " ")


def imports_outside(folder: Path) -> list[str]:
    """Return all names that the Python files in a folder import from cgkit although they are not public."""
    outside = []
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "cgkit":
                names = public_names(node.module or "", PUBLIC[node.module or ""]) if node.module in PUBLIC else []
                outside += [f"{file}: {node.module}.{a.name}" for a in node.names if a.name not in names]
    return outside
