"""What an autoencoder sees of patches, and what it makes of them."""

from collections.abc import Sequence

import numpy as np

from eurosat_cls.analysis.plots.colour import colour_name, displayed, stretch_limits, to_rgb
from eurosat_cls.analysis.plots.gallery import Row, draw_gallery


def draw_reconstructions(
    original: np.ndarray,
    masked: np.ndarray,
    reconstruction: np.ndarray,
    mask: np.ndarray,
    bands: Sequence[str],
    errors: Sequence[float],
) -> np.ndarray:
    """Draw the patches, what the encoder got of them, what was restored, and the whole output of the decoder.

    All rows are raw values, stretched as the originals are. Of what is restored the visible values are the original's,
    as only the hidden ones (where ``mask`` is True) are trained. ``errors`` are ``[n]`` mean losses over the hidden
    values.
    """
    channels = displayed(bands)
    low, high = stretch_limits(original[:, channels])
    restored = np.where(mask, reconstruction, original)
    parts = [
        ("original", original),
        ("what the encoder gets: hidden values are at their band's mean", masked),
        ("restored: hidden values as the decoder gives them", restored),
        ("all that the decoder gives", reconstruction),
    ]
    empty = [""] * len(original)
    rows = [Row(title, to_rgb(images[:, channels], low, high), empty) for title, images in parts]
    rows[-1] = rows[-1]._replace(captions=[f"loss {error:.3f}" for error in errors])
    note = f"{colour_name(bands)}, stretched as the originals; losses are of hidden values, normalised"
    return draw_gallery("Reconstructions of validation patches", rows, note)
