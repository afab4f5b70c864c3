"""Build the objects that a resolved spec names."""

from cgkit.engine.assembly.assembly import (
    Assembly,
    EvaluationAssembly,
    assemble,
    assemble_for_evaluation,
    build_generator,
    build_networks,
    former_optimizers,
)
from cgkit.engine.assembly.initialisation import initialise

__all__ = [
    "Assembly",
    "EvaluationAssembly",
    "assemble",
    "assemble_for_evaluation",
    "build_generator",
    "build_networks",
    "former_optimizers",
    "initialise",
]
