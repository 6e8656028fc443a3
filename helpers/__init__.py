"""Helpers for the notebooks of the Stable Diffusion course.

A name is imported when it is first used, so `import helpers` takes no time and loads neither
torch nor diffusers.
"""

import warnings
from importlib import import_module

# Gradio 6.24, which Colab has, forgets one `await`: harmless, and told in the middle of a lesson.
warnings.filterwarnings("ignore", "coroutine '.*get_current_user' was never", RuntimeWarning)

_MODULE_OF = {
    "Cell": "denoise",
    "Denoiser": "denoise",
    "FaceServiceError": "faces.errors",
    "MODELS": "models",
    "alt_text": "images",
    "before_after": "wipe",
    "enlarge": "images",
    "exercise": "exercises",
    "explorer": "explore",
    "image_grid": "images",
    "image_settings": "images",
    "improve_face": "faces.client",
    "improve_faces": "faces.batch",
    "load_pipeline": "models",
    "load_ranker": "ranking",
    "save_image": "images",
    "seeded_latents": "latents",
    "show_images": "images",
    "sweep": "sweeps",
    "why_black": "black",
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'helpers' has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
