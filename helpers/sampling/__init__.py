"""From noise to pictures: latents, schedulers, the stages of a pipeline, the denoising engine."""
