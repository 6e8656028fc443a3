"""Picture files that remember their settings, and the names and descriptions of pictures."""

import filecmp
import itertools
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from helpers.base.files import write_whole
from helpers.base.paths import usable_path
from helpers.base.values import is_whole_number, shortened, shown
from helpers.pictures.check import check_image, upright
from helpers.pictures.parameters import PARAMETERS_KEY, parameters_text

SETTINGS_KEY = "settings"  # PNG text chunk: the settings as JSON
ALT_TEXT_KEY = "Description"  # PNG text chunk, a keyword of the PNG standard: the alt text

MAX_NAME_BYTES = 80  # of a file name made from a prompt; file systems allow 255 in all
UNSPOKEN = ("prompt", "model_fingerprint")  # settings left out where an alt text lists them
MAX_ALT_TEXT = 250  # characters; screen readers read an alt text in one go

RESERVED_ON_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)")
OTHER_IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".tif", ".tiff", ".webp"}


def save_image(
    image: Image.Image, folder_or_path: str | Path, settings: Mapping[str, object] | None = None
) -> Path:
    """Save a picture as PNG with its settings and an alt text inside.

    It is saved in RGB: upright, as its EXIF note says, and what is transparent as white. Other
    programs find the settings as well: the text `parameters` has them in the form of Stable
    Diffusion web UI.

    The file is written whole or not at all, and no other picture is ever overwritten: if the name
    is taken, also by one that differs only in upper and lower case, a number is added. Saving the
    same picture with the same settings again changes nothing.

    Args:
        image: A PIL image.
        folder_or_path: A folder, made if need be, where the file is named after the prompt and
            the seed; or a path that ends in ".png". A name that some system would refuse is
            made safe.
        settings: What made the picture, by diffusers' parameter names: `{"prompt": "a fox",
            "seed": 7}`. Text, numbers, booleans, None, and lists and dicts of these.

    Returns:
        The path that was written. `image_settings(path)` reads the settings back.

    Raises:
        TypeError: `image` is no PIL image, `settings` no dict, or a setting cannot be stored as
            JSON.
        ValueError: The picture has numbers of no known range, the path asks for another format
            than PNG or leads to no folder, or a setting is not finite.
    """
    check_image("image", image)
    settings = _checked_settings(settings)
    stored = _settings_json(settings)
    folder, stem = _folder_and_stem(folder_or_path, settings)
    _make_folder(folder)

    text = PngImagePlugin.PngInfo()
    text.add_text(SETTINGS_KEY, stored)
    text.add_itxt(ALT_TEXT_KEY, alt_text(settings))
    if parameters := parameters_text(settings):
        text.add_itxt(PARAMETERS_KEY, parameters)
    pixels = upright(image)
    pixels.info.clear()  # or notes of a camera would follow
    return write_whole(
        folder / f"{stem}.png",
        lambda part: pixels.save(part, format="PNG", pnginfo=text),
        _move_to_free_name,
    )


def image_settings(path: str | Path) -> dict[str, object]:
    """Read back the settings that `save_image` stored in a picture.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no PNG picture, or holds no settings.
    """
    with _opened(path) as image:
        return _stored_settings(path, image)


def open_image(path: str | Path) -> tuple[Image.Image, dict[str, object]]:
    """A picture that `save_image` wrote, loaded, and its settings.

    Raises what `image_settings` raises, and OSError or SyntaxError for a damaged file.
    """
    with _opened(path) as image:
        image.load()
        return image.copy(), _stored_settings(path, image)


def _opened(path: str | Path) -> Image.Image:
    try:
        return Image.open(path, formats=("PNG",))  # for an EPS, Pillow would start Ghostscript
    except UnidentifiedImageError as error:
        raise ValueError(f"path must be a PNG picture; {path} is not one") from error


def _stored_settings(path: str | Path, image: Image.Image) -> dict[str, object]:
    stored = image.info.get(SETTINGS_KEY)
    if stored is None:
        raise ValueError(
            f"{path} holds no settings. Only files of save_image() do, and many programs drop "
            "them when they save a picture again."
        )
    try:
        return json.loads(stored)
    except ValueError as error:
        raise ValueError(f"the settings in {path} were not written by save_image()") from error


def alt_text(settings: Mapping[str, object]) -> str:
    """Describe a generated picture in a sentence, for those who cannot see it."""
    prompt = _one_line(_prompt(settings))
    others = [
        f"{name.replace('_', ' ')} {_one_line(value)}"
        for name, value in settings.items()
        if name not in UNSPOKEN and value is not None and value != ""
    ]
    sentence = f'Generated picture for the prompt "{shortened(prompt, MAX_ALT_TEXT // 2)}"'
    if not prompt:
        sentence = "Generated picture"
    return shortened(", ".join([sentence, *others]), MAX_ALT_TEXT)


def _prompt(settings: Mapping[str, object]) -> str:
    """The prompt as text, which is empty without one."""
    prompt = settings.get("prompt")
    return "" if prompt is None else str(prompt)


def _settings_json(settings: dict[str, object]) -> str:
    def plain_number(value: object):  # numpy's numbers
        if isinstance(value, Integral):
            return int(value)
        if isinstance(value, Real):
            return float(value)
        raise TypeError(f"a {type(value).__name__}")

    for name, value in settings.items():
        if not isinstance(name, str):
            raise TypeError(f"the names in settings must be text; got {name!r}")
        try:
            json.dumps(value, default=plain_number, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"settings[{name!r}] must be text, a finite number, True, False, None, or a list "
                f"or dict of these; got {shortened(repr(value), 60)} ({error})"
            ) from error
    return json.dumps(settings, default=plain_number)


def _folder_and_stem(folder_or_path: str | Path, settings: dict[str, object]) -> tuple[Path, str]:
    if not isinstance(folder_or_path, str | Path):
        raise TypeError(
            "folder_or_path must be a folder or a path that ends in .png; "
            f"got {shown(folder_or_path)}"
        )
    text, path = str(folder_or_path), Path(folder_or_path)
    suffix = path.suffix.lower()
    names_picture = suffix in {".png", *OTHER_IMAGE_SUFFIXES}
    # The name of a picture is made safe; only that of a folder must be usable as it is.
    folder = usable_path(path.parent if names_picture else path)
    if folder is None or not text or "\0" in text:
        raise ValueError(f"folder_or_path must be a usable path; got {text!r:.80}")
    if names_picture and not os.path.isdir(folder / path.name):
        if suffix != ".png":
            raise ValueError(
                f"folder_or_path must end in .png, which keeps the settings; got {path}"
            )
        return folder, path.stem if _is_safe(path.stem) else safe_name(path.stem)
    seed = settings.get("seed")
    name = safe_name(_prompt(settings), f"seed {seed}" if is_whole_number(seed) else "")
    return (folder / path.name if names_picture else folder), name


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        raise ValueError(f"folder_or_path must lead to a folder; {file} is a file") from error


def safe_name(text: str, ending: str = "") -> str:
    """A file name, without suffix, that every system takes, made from any text.

    Letters and digits stay, in lower case; everything else becomes a hyphen. `ending` stays whole
    when a long text is cut.
    """
    ending = f"-{_hyphenated(ending)}" if ending else ""
    room = MAX_NAME_BYTES - len(ending.encode())
    name = _hyphenated(text).encode()[:room].decode(errors="ignore").strip("-")
    name = (name + ending).strip("-") or "picture"
    return f"picture-{name}" if RESERVED_ON_WINDOWS.fullmatch(name) else name


def _hyphenated(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\W_]+", "-", text).strip("-")


def _is_safe(stem: str) -> bool:
    """Whether Windows, macOS and Linux all take this name as it is."""
    if RESERVED_ON_WINDOWS.fullmatch(stem.partition(".")[0].strip().casefold()):
        return False
    usable = stem.isprintable() and not set(stem) & set('<>:"/\\|?*') and stem == stem.strip(" .")
    return usable and len(stem.encode()) <= MAX_NAME_BYTES


def _move_to_free_name(temporary: Path, wanted: Path) -> Path:
    """Give the finished file the first name that is free; a file that equals it will do."""
    taken = {entry.name.casefold(): entry for entry in wanted.parent.iterdir()}
    for number in itertools.count(1):
        path = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        holder = taken.get(path.name.casefold())
        if holder is None:
            if _rename_if_free(temporary, path):
                return path
            holder = path  # another process took the name just now
        if holder.is_file() and filecmp.cmp(temporary, holder, shallow=False):
            return holder


def _rename_if_free(temporary: Path, path: Path) -> bool:
    """Rename, unless another process or thread took the name in the meantime."""
    try:
        os.link(temporary, path)  # unlike a rename, this fails if the name is taken
    except FileExistsError:
        return False
    except OSError:  # no hard links on this file system (exFAT, some network drives)
        os.replace(temporary, path)
    return True


def _checked_settings(settings: object) -> dict[str, object]:
    """A copy of the settings, an empty dict for `None`."""
    if settings is not None and not isinstance(settings, Mapping):
        raise TypeError(f"settings must be a dict of names and values; got {shown(settings)}")
    return dict(settings or {})


def _one_line(value: object) -> str:
    """As text in one line that can be written as UTF-8."""
    printable = "".join(c if c.isprintable() else " " for c in str(value))
    return " ".join(printable.split())
