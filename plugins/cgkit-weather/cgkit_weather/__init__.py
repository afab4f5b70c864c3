"""Weather effects for training images, and adaptive discriminator augmentation."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the augmentations."""
    augmentations = registries.augmentations
    augmentations.add("rain", "cgkit_weather.rain:Rain", summary="Streaks of rain with the same slant.")
    augmentations.add("snow", "cgkit_weather.snow:Snow", summary="Snow on the ground: dark pixels turn light.")
    augmentations.add("fog", "cgkit_weather.fog:Fog", summary="Fog of uneven thickness.")
    augmentations.add("cloud-shadow", "cgkit_weather.cloud_shadow:CloudShadow", summary="Cloud-shaped shadows.")
    augmentations.add(
        "uneven-light", "cgkit_weather.uneven_light:UnevenLight", summary="Light that varies over the image."
    )
    augmentations.add(
        "motion-blur", "cgkit_weather.motion_blur:MotionBlur", summary="Motion blur, as from a moving camera."
    )
    augmentations.add(
        "adaptive",
        "cgkit_weather.adaptive:AdaptiveAugmentation",
        summary="Augments the discriminator's input, more often if the discriminator overfits (Karras et al., 2020).",
    )
