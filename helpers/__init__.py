"""Helpers for the notebooks of the Stable Diffusion course.

A name is imported when it is first used, so `import helpers` takes no time and loads neither
torch nor diffusers.
"""

import warnings
from importlib import import_module

from helpers.base.surroundings import keep_uploads_apart, reach_own_addresses_directly

reach_own_addresses_directly()
keep_uploads_apart()

# Gradio 6.24, which Colab has, forgets one `await`: harmless, and told in the middle of a lesson.
warnings.filterwarnings("ignore", "coroutine '.*get_current_user' was never", RuntimeWarning)

# By module; where a name means too little by itself, "its name here: its name there".
_NAMES = {
    "course.exercises": ["exercise"],
    "faces.client.batch": ["improve_faces"],
    "faces.client.errors": ["FaceServiceError"],
    "faces.client.improve": ["improve_face"],
    "faces.examples": ["example_portrait"],
    "faces.quality": ["psnr", "ssim"],
    "faces.restorer": ["Restorer"],
    "faces.service.server": ["start_face_service: start"],
    "feedback.export": ["read_ratings: read_csv"],
    "feedback.store": ["CONSENTS", "Feedback"],
    "fine_tuning": [
        "ATTENTION_LAYERS",
        "TrainingSet",
        "add_lora",
        "fine_tune",
        "read_pictures",
        "save_lora",
    ],
    "models.catalogue": ["MODELS", "shipped_models"],
    "models.fingerprint": ["model_fingerprint"],
    "models.load": ["load_pipeline"],
    "models.reference": ["PUBLISHED_QUALITY", "PUBLISHED_TIMES", "reference_table"],
    "pictures.encoded": ["from_base64", "to_data_url", "to_png"],
    "pictures.files": ["alt_text", "image_settings", "save_image"],
    "pictures.grid": ["enlarge", "image_grid"],
    "pictures.show": ["show_images"],
    "pictures.small": ["SMALL_SUBJECTS", "small_drawings"],
    "ranking.compare": ["compare"],
    "ranking.ranker": ["load_ranker", "r_precision"],
    "sampling.attention": ["heat_map", "watch_attention"],
    "sampling.denoiser": ["Denoiser"],
    "sampling.diagnose": ["why_black"],
    "sampling.latents": ["interpolate", "seeded_latents"],
    "sampling.cell": ["Cell"],
    "sweeps.folder": ["save_sweep"],
    "sweeps.run": ["sweep"],
    "vocabulary": [
        "BACKGROUNDS",
        "KNOWN_WORDS",
        "STYLES",
        "SUBJECTS",
        "unknown_words",
        "was_held_out",
        "with_article",
    ],
    "widgets.before_after": ["before_after"],
    "widgets.explorer": ["explorer"],
}

_PLACE_OF = {
    name.partition(":")[0]: (module, name.rpartition(": ")[2])
    for module, names in _NAMES.items()
    for name in names
}

__all__ = list(_PLACE_OF)


def __getattr__(name: str):
    if name not in _PLACE_OF:
        raise AttributeError(f"module 'helpers' has no attribute {name!r}")
    module, own_name = _PLACE_OF[name]
    value = getattr(import_module(f".{module}", __name__), own_name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
