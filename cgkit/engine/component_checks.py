"""Check before training that networks and losses work at the training size; name the plugin behind a later failure."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.abilities import wants_real_logits
from cgkit.data.extras import blank_extras
from cgkit.data.randomness import seeded
from cgkit.engine.assembly import Assembly
from cgkit.engine.cyclegan import CycleGAN, CyclePass
from cgkit.engine.objective import DirectedTerm
from cgkit.engine.trying import try_network
from cgkit.errors import CgkitError, PluginError, Problem, is_out_of_memory, traceback_of
from cgkit.registry import BUILT_IN, Component, describe_exception
from cgkit.spec import Spec

IMAGE_NAMES = tuple(field.name for field in fields(CyclePass))


def unfit_components(spec: Spec, assembly: Assembly) -> list[Problem]:
    """Return the problems of networks and losses that fail at the training size or return an invalid result.

    Each network runs once, in evaluation mode and without gradients. The state of the components does not change.
    """
    problems: list[Problem] = []
    model, objective, components = assembly.model, assembly.objective, assembly.components
    image_a, image_b = (torch.zeros(1, channels, *spec.data.size) for channels in spec.data.channels)
    for place, network, image, expected in (
        ("generator.a2b", model.generators["a2b"], image_a, image_b.shape),
        ("generator.b2a", model.generators["b2a"], image_b, image_a.shape),
        ("discriminator.a", model.discriminators["a"], image_a, None),
        ("discriminator.b", model.discriminators["b"], image_b, None),
    ):
        with _collect_problems(place, components, problems):
            _check_output(components[place], try_network(network, image), expected)
    for place, distance in (("cycle_loss", objective.cycle_loss), ("identity_loss", objective.identity_loss)):
        with _collect_problems(place, components, problems), torch.no_grad(), seeded(0):
            _check_scalar(components[place], _copy(distance)(image_a, image_a))
    with _collect_problems("adversarial_loss", components, problems), torch.no_grad(), seeded(0):
        _check_losses(components["adversarial_loss"], _copy(objective.adversarial.losses[0]))
    for term in objective.terms:
        place = f"term.{term.number}"
        with _collect_problems(place, components, problems), torch.no_grad(), seeded(0):
            _check_scalar(components[place], _try_term(term, model, image_a, image_b))
    for name, networks in (("generators", model.generators), ("discriminators", model.discriminators)):
        place = f"optimizer.{name}"
        if problems:  # a network that does not work may have no parameters
            break
        with _collect_problems(place, components, problems):
            assembly.optimizers[name](list(networks.parameters()), spec.train.learning_rate)
    return problems


def _try_term(term: DirectedTerm, model: CycleGAN, image_a: Tensor, image_b: Tensor) -> Tensor:
    """Compute a copy of a term for grey images; an image translated by an untrained network is not needed for that."""
    images = {name: image_a if name.endswith("a") else image_b for name in IMAGE_NAMES}
    side, partner = ("a", image_b) if term.direction == "a2b" else ("b", image_a)
    blank = blank_extras(term.extras, 1, (image_a.shape[-2], image_a.shape[-1]), partner.shape[1])
    extras = {f"{side}.{name}": extra for name, extra in blank.items()}
    generator = model.generators[term.direction]
    was_training = generator.training
    generator.eval()
    trial = replace(term, module=_copy(term.module))
    try:
        value = trial.compute(model, CyclePass(**images), extras)
    finally:
        generator.train(was_training)
    created = trial.module.state_dict().keys() - term.module.state_dict().keys()
    if created:
        raise PluginError(
            f"the term {term.name} creates {min(created)} when it is called, which is neither trained nor restored",
            hint="create its layers in `prepare(generator, example)`",
        )
    return value


def _copy(loss: Any) -> Any:
    """Return a loss to try out: a copy if the loss is a module, because the module's state must not change."""
    return copy.deepcopy(loss) if isinstance(loss, nn.Module) else loss


def _check_output(component: Component, output: Any, expected: torch.Size | None) -> None:
    scales = output if expected is None and isinstance(output, (list, tuple)) else [output]
    for scale in scales:
        if not isinstance(scale, Tensor):
            raise PluginError(f"{component} returns {type(scale).__name__} instead of a tensor")
        wrong = scale.shape != expected if expected is not None else scale.ndim != 4 or scale.shape[1] != 1
        if wrong:
            wanted = tuple(expected) if expected is not None else "(1, 1, h, w)"
            raise PluginError(f"{component} returns shape {tuple(scale.shape)}, expected {wanted}")
        if not torch.isfinite(scale).all():
            raise PluginError(f"{component} returns numbers that are not finite")


def _check_losses(component: Component, loss: Any) -> None:
    logits = torch.linspace(-1, 1, 8).reshape(2, 1, 2, 2)
    _check_scalar(component, loss.discriminator_loss(logits, -logits))
    _check_scalar(component, loss.generator_loss(*[logits] * (2 if wants_real_logits(loss) else 1)))


def _check_scalar(component: Component, loss: Any) -> None:
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        found = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise PluginError(f"{component} returns {found}, expected a scalar")
    if not torch.isfinite(loss).all():
        raise PluginError(f"{component} returns a number that is not finite")


@contextmanager
def _collect_problems(place: str, components: Mapping[str, Component], problems: list[Problem]) -> Iterator[None]:
    try:
        yield
    except CgkitError as error:
        problems.append(Problem.of(place, error))
    except ValueError as error:  # raised by components that cannot process images of this size
        problems.append(Problem(place, str(error), "change data.size, or the component's options"))
    except Exception as error:  # a plugin's component may raise anything
        if is_out_of_memory(error):
            raise
        message = f"{components[place]} failed: {describe_exception(error)}"
        cause = traceback_of(error)
        problems.append(Problem(place, message, exit_code=PluginError.exit_code, traceback=cause))


def plugin_at_fault(error: BaseException, components: Iterable[Component]) -> PluginError | None:
    """Return an error that names the innermost plugin in an exception's traceback; None if it contains no plugin.

    Args:
        error: the exception, with its traceback.
        components: the components of the run.
    """
    providers = {
        component.definition.__module__.partition(".")[0]: component.provider
        for component in components
        if component.provider != BUILT_IN
    }
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        provider = providers.get(frame.f_globals.get("__name__", "").partition(".")[0])
        if provider is not None:
            place = f"{frame.f_code.co_filename}:{line}"
            return PluginError(
                f"{provider} failed: {describe_exception(error)} ({place})",
                hint="report it to its authors, with the output of --traceback",
            )
    return None
