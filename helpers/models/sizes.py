"""The sizes in which a model was trained."""


def latent_size(pipe) -> tuple[int, int]:
    """Height and width of the latents that the U-Net was trained on."""
    size = pipe.unet.config.sample_size
    return (size, size) if isinstance(size, int) else tuple(size)


def native_size(pipe) -> tuple[int, int]:
    """Height and width in pixels of the pictures that the U-Net was trained on."""
    height, width = latent_size(pipe)
    return height * pipe.vae_scale_factor, width * pipe.vae_scale_factor
