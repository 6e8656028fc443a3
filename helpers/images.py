"""Pictures: grids with labels, display in a notebook, and files that remember their settings."""

import filecmp
import html
import itertools
import json
import math
import os
import re
import struct
import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from numbers import Integral, Real
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin, UnidentifiedImageError

from .counts import checked_count
from .folders import usable_path
from .notebook import in_notebook

SETTINGS_KEY = "settings"  # PNG text chunk: the settings as JSON
ALT_TEXT_KEY = "Description"  # PNG text chunk, a keyword of the PNG standard: the alt text

GAP = 4  # pixels between the pictures of a grid
MAX_LABEL_LINES = 3
MAX_GRID_MEGAPIXELS = 500  # 2 GB of memory; one slip in rows or cols asks for far more
MAX_NAME_BYTES = 80  # of a file name made from a prompt; file systems allow 255 in all
MAX_ALT_TEXT = 250  # characters; screen readers read an alt text in one go

RESERVED_ON_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)")
OTHER_IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".tif", ".tiff", ".webp"}


# --- Grids -----------------------------------------------------------------------------------


def image_grid(
    images: Iterable[Image.Image],
    rows: int | None = None,
    cols: int | None = None,
    labels: Iterable[object] | None = None,
) -> Image.Image:
    """Paste pictures of one size into one, row by row, each above its label.

    Args:
        images: PIL images, all of the same size.
        rows, cols: How many of each. With both, the pictures must fill the grid exactly; with
            one, the other follows and the last cells may stay empty; with none, the grid is
            about square.
        labels: One for each picture. A long label is wrapped, then shortened. Pillow's own font
            has the ASCII characters only: an accent is left out, a letter of another script
            becomes a question mark.

    Returns:
        An RGB picture on white.

    Raises:
        TypeError: Something in `images` is no PIL image, `rows` or `cols` no whole number, or
            `labels` no list.
        ValueError: No pictures, pictures of different sizes or with more than 8 bits a channel,
            counts that do not fit, or a grid of more than 500 megapixels.
    """
    images = [upright(image) for image in checked_images(images)]
    width, height = images[0].size
    for i, image in enumerate(images):
        if image.size != (width, height):
            raise ValueError(
                f"images must all have the same size; images[0] is {width} x {height} and "
                f"images[{i}] is {image.width} x {image.height} pixels"
            )
    rows, cols = _grid_shape(len(images), rows, cols)
    font = ImageFont.load_default(size=min(max(width // 9, 12), 28))
    label_texts = _checked_labels(labels, len(images))
    wrapped = [_wrapped(as_ascii(text), width, font) for text in label_texts]
    line_height = sum(font.getmetrics())
    label_height = line_height * max(map(len, wrapped)) + GAP if wrapped else 0

    cell_width, cell_height = width + GAP, height + label_height + GAP
    grid = _blank_grid(cols * cell_width - GAP, rows * cell_height - GAP)
    draw = ImageDraw.Draw(grid)
    for i, image in enumerate(images):
        left, top = i % cols * cell_width, i // cols * cell_height
        grid.paste(image, (left, top))
        for line_number, line in enumerate(wrapped[i] if wrapped else []):
            position = (left + width / 2, top + height + line_number * line_height)
            draw.text(position, line, font=font, fill="black", anchor="ma")
    return grid


def enlarge(image: Image.Image, factor: int = 3) -> Image.Image:
    """A picture `factor` times as wide and high, smoothly, to look at a small one closely.

    Raises:
        TypeError: `image` is no PIL image, or `factor` no whole number.
        ValueError: `factor` is below 1, or the picture has more than 8 bits a channel.
    """
    check_image("image", image)
    if checked_count("factor", factor) == 1:
        return image.copy()
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.LANCZOS)


def _grid_shape(count: int, rows: int | None, cols: int | None) -> tuple[int, int]:
    if rows is None and cols is None:
        cols = math.ceil(math.sqrt(count))
    if rows is None:
        cols = checked_count("cols", cols)
        return math.ceil(count / cols), cols
    rows = checked_count("rows", rows)
    if cols is None:
        return rows, math.ceil(count / rows)
    cols = checked_count("cols", cols)
    if rows * cols != count:
        raise ValueError(
            f"rows * cols must be the number of images; got {rows} * {cols} = {rows * cols} cells "
            f"for {count} images. Leave out rows or cols and it is worked out."
        )
    return rows, cols


def _blank_grid(width: int, height: int) -> Image.Image:
    if width * height > MAX_GRID_MEGAPIXELS * 1_000_000:
        raise ValueError(
            f"rows and cols must make a grid of at most {MAX_GRID_MEGAPIXELS} megapixels; got "
            f"{width} x {height} pixels"
        )
    return Image.new("RGB", (width, height), "white")


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """`text` in lines of at most `width` pixels; what does not fit ends in '...'."""
    lines, line = [], ""
    for word in text.split():
        if line and font.getlength(f"{line} {word}") > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while font.getlength(line) > width and len(lines) < MAX_LABEL_LINES:
            fitting = _fitting_length(line, width, font)
            lines.append(line[:fitting])
            line = line[fitting:]
        if len(lines) >= MAX_LABEL_LINES:
            break
    lines.append(line)
    if len(lines) <= MAX_LABEL_LINES:
        return [line for line in lines if line]
    last = lines[MAX_LABEL_LINES - 1]
    last = last[: _fitting_length(last, width - font.getlength("..."), font)]
    return [*lines[: MAX_LABEL_LINES - 1], last + "..."]


def as_ascii(text: str) -> str:
    """The text in the letters of Pillow's own font; see `image_grid` for what becomes of others."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(c if c.isascii() else "?" for c in letters if not unicodedata.combining(c))


def _fitting_length(text: str, width: float, font: ImageFont.FreeTypeFont) -> int:
    """How many characters of `text`, at least one, fit into `width` pixels."""
    length = 1
    while length < len(text) and font.getlength(text[: length + 1]) <= width:
        length += 1
    return length


def upright(image: Image.Image) -> Image.Image:
    """An RGB copy, turned as its EXIF note says; what is transparent becomes white.

    Phones store a picture as the camera lay, with a note of how. Where the note is broken, the
    picture stays as it is.
    """
    with suppress(SyntaxError, ValueError, TypeError, struct.error):
        image = ImageOps.exif_transpose(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


# --- Display in a notebook ---------------------------------------------------------------------


def show_images(
    images: Iterable[Image.Image], labels: Iterable[object] | None = None, img_width: int = 150
) -> None:
    """Show pictures side by side in a notebook; a click on one enlarges it (by ipyplot).

    Every picture is shown, however many, under its label and with an alt text: the label, else
    the text that `save_image` stored, else its number. The HTML holds the pixels, so under nbval
    a cell that calls this needs the tag `nbval-ignore-output`. Outside a notebook a line of text is
    printed for each picture.

    Args:
        images: PIL images of any size.
        labels: One for each picture; without labels they are numbered from 0.
        img_width: Width of each on the screen, in pixels.

    Raises:
        TypeError: Something in `images` is no PIL image, `labels` no list, or `img_width` no
            whole number.
        ValueError: No pictures, pictures with more than 8 bits a channel, or another number of
            labels than pictures.
    """
    images = checked_images(images)
    texts = _checked_labels(labels, len(images))
    img_width = checked_count("img_width", img_width)
    if texts:
        alt_texts = texts
    else:
        texts = [str(i) for i in range(len(images))]
        alt_texts = [image.info.get(ALT_TEXT_KEY, f"Picture {i}") for i, image in enumerate(images)]
    if not in_notebook():
        for image, text, alt in zip(images, texts, alt_texts, strict=True):
            described = text if text == alt else f"{text}: {alt}"
            print(f"{described} ({image.width} x {image.height} pixels)")
        return
    from IPython.display import HTML, display

    display(HTML(_ipyplot_html(images, texts, alt_texts, img_width)))


def _ipyplot_html(images, labels: list[str], alt_texts: list[str], img_width: int) -> str:
    """What `ipyplot.plot_images` would show, once, with its faults of version 1.1.2 mended."""
    import ipyplot
    import numpy as np
    from IPython.utils.capture import capture_output

    array = np.empty(len(images), dtype=object)
    for i, image in enumerate(images):  # numpy would turn a list into pixels, which ipyplot refuses
        array[i] = upright(image)
    with capture_output() as captured:  # it shows its HTML twice, first as source
        ipyplot.plot_images(
            array,
            labels=[html.escape(label) for label in labels],
            max_images=len(images),
            img_width=img_width,
        )
    shown = captured.outputs[-1].data["text/html"]
    alts = iter(alt_texts)
    return re.sub(r"<img ", lambda _: f'<img alt="{html.escape(next(alts))}" ', shown)


# --- Files -------------------------------------------------------------------------------------


def save_image(
    image: Image.Image, folder_or_path: str | Path, settings: Mapping[str, object] | None = None
) -> Path:
    """Save a picture as PNG with its settings and an alt text inside.

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
        ValueError: The picture has more than 8 bits a channel, the path asks for another format
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
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        image = image.convert("RGB")
    temporary = folder / f".saving-{uuid.uuid4().hex}"
    try:
        image.save(temporary, format="PNG", pnginfo=text)
        return _move_to_free_name(temporary, folder, stem)
    finally:
        temporary.unlink(missing_ok=True)


def image_settings(path: str | Path) -> dict[str, object]:
    """Read back the settings that `save_image` stored in a picture.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no picture, or holds no settings.
    """
    try:
        with Image.open(path) as image:
            stored = image.info.get(SETTINGS_KEY)
    except UnidentifiedImageError as error:
        raise ValueError(f"path must be a picture; {path} is none") from error
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
        if name != "prompt" and value is not None and value != ""
    ]
    sentence = f'Generated picture for the prompt "{_shortened(prompt, MAX_ALT_TEXT // 2)}"'
    if not prompt:
        sentence = "Generated picture"
    return _shortened(", ".join([sentence, *others]), MAX_ALT_TEXT)


def _prompt(settings: Mapping[str, object]) -> str:
    """The prompt as text, which is empty where there is none."""
    prompt = settings.get("prompt")
    return "" if prompt is None else str(prompt)


def _settings_json(settings: dict[str, object]) -> str:
    def plain_number(value):  # numpy's numbers
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
                f"or dict of these; got {_shortened(repr(value), 60)} ({error})"
            ) from error
    return json.dumps(settings, default=plain_number)


def _folder_and_stem(folder_or_path: str | Path, settings: dict[str, object]) -> tuple[Path, str]:
    if not isinstance(folder_or_path, str | Path):
        raise TypeError(
            "folder_or_path must be a folder or a path that ends in .png; "
            f"got {folder_or_path!r} ({type(folder_or_path).__name__})"
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
    has_seed = isinstance(seed, Integral) and not isinstance(seed, bool)
    name = safe_name(_prompt(settings), f"seed {seed}" if has_seed else "")
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


def _move_to_free_name(temporary: Path, folder: Path, stem: str) -> Path:
    """Give the finished file the first name that is free; a file that equals it will do."""
    taken = {entry.name.casefold(): entry for entry in folder.iterdir()}
    for number in itertools.count(1):
        path = folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png")
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


# --- Checks and words --------------------------------------------------------------------------


def checked_images(images: Iterable[Image.Image]) -> list[Image.Image]:
    """The pictures as a list; TypeError or ValueError if `check_image` refuses one of them."""
    if isinstance(images, Image.Image):
        raise TypeError("images must be a list of PIL images; got one image. Write [image]")
    try:
        images = list(images)
    except TypeError:
        raise TypeError(
            f"images must be a list of PIL images; got {type(images).__name__}"
        ) from None
    if not images:
        raise ValueError("images must hold at least one picture; got an empty list")
    for i, image in enumerate(images):
        check_image(f"images[{i}]", image)
    return images


def check_image(name: str, image) -> None:
    """Raise an error that calls it `name` unless `image` is a PIL image with 8 bits a channel.

    Raises:
        TypeError: It is no PIL image.
        ValueError: Its numbers may lie beyond 0 to 255, and Pillow would cut them off.
    """
    if isinstance(image, Image.Image):
        if image.mode == "F" or image.mode.startswith("I"):
            raise ValueError(
                f"{name} must have 8 bits a channel; got a picture of mode {image.mode!r}. Scale "
                "its numbers to 0 to 255 and convert it first: "
                "Image.fromarray(numbers.astype('uint8'))"
            )
        return
    slip = ""
    if hasattr(image, "images"):
        slip = ". A pipeline's answer holds a list: take its .images"
    elif hasattr(image, "shape"):
        slip = ". Image.fromarray() makes a picture from an array of numbers from 0 to 255"
    raise TypeError(f"{name} must be a PIL image; got {type(image).__name__}{slip}")


def _checked_labels(labels, count: int) -> list[str]:
    """The labels as text, an empty list for `None`."""
    if labels is None:
        return []
    if isinstance(labels, str):
        raise TypeError(f"labels must be a list, one label a picture; got the text {labels!r}")
    try:
        labels = list(labels)
    except TypeError:
        raise TypeError(
            f"labels must be a list, one label a picture; got {labels!r} ({type(labels).__name__})"
        ) from None
    if len(labels) != count:
        raise ValueError(
            f"labels must be as many as images; got {len(labels)} labels for {count} images"
        )
    return [str(label) for label in labels]


def _checked_settings(settings) -> dict[str, object]:
    """A copy of the settings, an empty dict for `None`."""
    if settings is not None and not isinstance(settings, Mapping):
        raise TypeError(
            "settings must be a dict of names and values; "
            f"got {_shortened(repr(settings), 60)} ({type(settings).__name__})"
        )
    return dict(settings or {})


def _one_line(value: object) -> str:
    """As text in one line that can be written as UTF-8."""
    printable = "".join(c if c.isprintable() else " " for c in str(value))
    return " ".join(printable.split())


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3].rstrip() + "..."
