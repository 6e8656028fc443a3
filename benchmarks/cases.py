"""The sweeps that are timed."""

PROMPTS = [
    "a 3d sticker of a fox on a teal background",
    "a flat sticker of an owl on a yellow background",
    "a cartoon sticker of a house in the snow",
    "a simple sticker of a cat at the beach",
    "a portrait of a smiling woman with long straight red hair and glasses on a yellow background",
]
STEPS = 25

CASES = {
    "steps": {"prompt": PROMPTS[0], "seed": 7, "num_inference_steps": range(1, 97, 5)},
    "guidance": {
        "prompt": PROMPTS[0],
        "seed": [1, 2, 3, 4],
        "guidance_scale": range(2, 21, 3),
        "num_inference_steps": STEPS,
    },
    "prompts": {"prompt": PROMPTS, "seed": [1, 2, 3, 4], "num_inference_steps": STEPS},
    "mixed": {
        "prompt": PROMPTS[1],
        "seed": 7,
        "scheduler": ["pndm", "ddim", "euler", "dpm++"],
        "guidance_scale": [1.0, 4.0, 7.5],
        "num_inference_steps": [10, 20],
    },
}
"""By name the arguments of `helpers.sweep`. The schedulers draw no noise of their own: `pipe()` can
then be given the latents, which in float16 its own generator would draw differently."""
