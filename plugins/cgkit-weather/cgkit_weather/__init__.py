"""Weather for training images, and augmentation that adapts to a discriminator."""

from __future__ import annotations

from cgkit.hookspecs import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the augmentations."""
    augmentations = registries.augmentations
    augmentations.add("rain", "cgkit_weather.rain:Rain", summary="Streaks of rain, all slanting alike.")
    augmentations.add("snow", "cgkit_weather.snow:Snow", summary="Snow on the ground: what is dark turns light.")
    augmentations.add("fog", "cgkit_weather.fog:Fog", summary="Fog of uneven thickness.")
    augmentations.add(
        "cloud-shadow", "cgkit_weather.cloud_shadow:CloudShadow", summary="Shadows with the outlines of clouds."
    )
    augmentations.add(
        "uneven-light", "cgkit_weather.uneven_light:UnevenLight", summary="Light that varies from place to place."
    )
    augmentations.add("motion-blur", "cgkit_weather.motion_blur:MotionBlur", summary="The blur of a camera that moves.")
    augmentations.add(
        "adaptive",
        "cgkit_weather.adaptive:AdaptiveAugmentation",
        summary="Augments what a discriminator sees as often as it overfits (Karras et al., 2020).",
    )
