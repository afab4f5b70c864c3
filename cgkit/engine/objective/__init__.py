"""What a CycleGAN minimises: adversarial losses, cycle consistency, identity, and the terms that a spec adds."""

from cgkit.engine.objective.adversarial import Adversarial, logits_of
from cgkit.engine.objective.losses import Losses
from cgkit.engine.objective.objective import Objective
from cgkit.engine.objective.terms import DirectedTerm

__all__ = ["Adversarial", "DirectedTerm", "Losses", "Objective", "logits_of"]
