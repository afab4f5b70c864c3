"""Small components that keep their contract, and for each check some that break it."""

from tests.testing.broken import (  # noqa: F401 - importing a module registers its components
    adversarial_losses,
    augmentations,
    discriminators,
    exchangeable_generators,
    exporters,
    formats,
    generators,
    metrics,
    optimizers,
    reconstruction_losses,
    schedules,
    sources,
    terms,
    trackers,
)
