"""The kinds of components, and the table that each has in a spec."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of component.

    Attributes:
        name: the name of its registry, plural: `adversarial_losses`.
        table: the name in a spec, singular: `adversarial_loss`.
        given: the names of the positional arguments with which the engine builds a component.
        summary: one sentence on the purpose of components of this kind.
        keys: the keys of the table that are not options; no option may have such a name.
        in_spec: whether a spec names components of this kind; otherwise, a command does.
    """

    name: str
    table: str
    given: tuple[str, ...]
    summary: str
    keys: tuple[str, ...] = ("name",)
    in_spec: bool = True


KINDS: tuple[Kind, ...] = (
    Kind(
        "generators",
        "generator",
        ("in_channels", "out_channels"),
        "Networks that translate images.",
        ("name", "a2b", "b2a"),
    ),
    Kind(
        "discriminators",
        "discriminator",
        ("in_channels",),
        "Networks that distinguish real from generated images.",
        ("name", "a", "b"),
    ),
    Kind("adversarial_losses", "adversarial_loss", (), "Losses computed from a discriminator's logits."),
    Kind("reconstruction_losses", "reconstruction_loss", (), "Distances for the cycle and identity losses."),
    Kind("terms", "term", (), "Further terms of the generators' objective.", ("name", "weight")),
    Kind("augmentations", "augmentation", (), "Random transformations of training images.", ("name", "domain")),
    Kind(
        "sources",
        "source",
        ("size",),
        "Providers of training and test images.",
        (
            *("source", "names", "size", "channels", "background", "alpha", "range", "depth", "pages", "array"),
            *("workers", "skip_damaged", "trained_scale"),
        ),
    ),
    Kind(
        "optimizers",
        "optimizer",
        ("parameters", "learning_rate"),
        "Optimisers of the weights.",
        ("name", "generators", "discriminators"),
    ),
    Kind(
        "schedules",
        "schedule",
        (),
        "Factors of the learning rate over the steps of a run.",
        ("name", "generators", "discriminators"),
    ),
    Kind("metrics", "metric", (), "Measures of the quality of translations."),
    Kind("trackers", "tracker", ("folder",), "Recorders of losses and scores."),
    Kind("exporters", "exporter", (), "Writers of a generator in a format that other programs read.", in_spec=False),
    Kind("formats", "format", (), "Readers and writers of image files."),
)


def kind_named(name: str) -> Kind:
    """Return the kind whose registry or table in a spec has that name; raise `KeyError` if no kind has it."""
    for kind in KINDS:
        if name in (kind.name, kind.table):
            return kind
    raise KeyError(name)
