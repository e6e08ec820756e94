"""One colour for each class, in charts and maps alike."""

import colorsys
from collections.abc import Sequence

RGB = tuple[int, int, int]
# EuroSAT's classes by what maps use for such land, none too pale for a line on white.
_KNOWN: dict[str, RGB] = {
    "annualcrop": (222, 184, 64),
    "forest": (22, 108, 58),
    "herbaceousvegetation": (143, 188, 78),
    "highway": (90, 90, 98),
    "industrial": (160, 84, 160),
    "pasture": (104, 208, 160),
    "permanentcrop": (214, 122, 36),
    "residential": (214, 62, 62),
    "river": (64, 152, 220),
    "sealake": (20, 66, 150),
}
# Okabe and Ito's colours, told apart by colour-blind people too (jfly.uni-koeln.de/color), and Tol's indigo.
PALETTE: tuple[RGB, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (204, 121, 167), (86, 180, 233), (51, 34, 136),
)  # fmt: skip
_GOLDEN = 0.618033988749895  # steps of the golden ratio around the circle of hues never come near each other soon


def class_colour(label: int, name: str) -> RGB:
    """Return the colour of a class, three bytes: by its name where it is one of EuroSAT's, else by its label."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum()).removeprefix("demo")
    if plain in _KNOWN:
        return _KNOWN[plain]
    if label < len(PALETTE):
        return PALETTE[label]
    red, green, blue = colorsys.hsv_to_rgb(
        label * _GOLDEN % 1, 0.45 + 0.2 * (label % 3), 0.95 - 0.25 * (label // 3 % 2)
    )
    return round(255 * red), round(255 * green), round(255 * blue)


def class_colours(class_names: Sequence[str]) -> list[str]:
    """Return the colours of all classes as CSS, matplotlib and QGIS write them.

    Example:
        >>> class_colours(["Forest", "Glacier"])
        ['#166c3a', '#e69f00']
    """
    return [as_hex(class_colour(label, name)) for label, name in enumerate(class_names)]


def as_hex(colour: RGB) -> str:
    """Write a colour as CSS does."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
