"""A picture to begin with: image-to-image, as `StableDiffusionImg2ImgPipeline` does it."""

from dataclasses import dataclass
from numbers import Real

from PIL import Image

from helpers.pictures.check import check_image


@dataclass(frozen=True, eq=False)
class Beginning:
    """What a picture begins from, where it does not begin from noise alone.

    Attributes:
        image: A PIL image. It is stretched to the size of the new picture.
        strength: Above 0 and at most 1, the share of the steps that are taken. The fewer they are,
            the more of `image` is left.
    """

    image: Image.Image
    strength: float

    def __post_init__(self):
        check_image("image", self.image)
        if isinstance(self.strength, bool) or not isinstance(self.strength, Real):
            raise TypeError(f"strength must be a number; got {self.strength!r}.")
        if not 0 < self.strength <= 1:
            raise ValueError(f"strength must be above 0 and at most 1; got {self.strength!r}.")

    def steps_left_out(self, num_inference_steps: int) -> int:
        """How many of the first steps are not taken. Raises ValueError if no step is left."""
        taken = steps_taken(num_inference_steps, self.strength)
        if taken < 1:
            raise ValueError(
                f"strength must leave a step to take: {self.strength:g} of {num_inference_steps} "
                "is less than one. Take more steps, or a higher strength."
            )
        return num_inference_steps - taken


def steps_taken(num_inference_steps: int, strength: float) -> int:
    """How many of the steps are taken: rounded down, as diffusers does."""
    return int(num_inference_steps * strength)
