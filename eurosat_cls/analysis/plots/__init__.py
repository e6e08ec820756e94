"""Pictures: one per file, from arrays to an image or a matplotlib figure. Nothing here knows Lightning.

What functions do not say of their arguments: ``images`` are raw values ``[n, C, H, W]``, ``bands`` the ``[C]`` names of
their channels and ``files`` their ``[n]`` names; ``class_names`` are ``[K]``; ``note`` is the line below the headline.
Images that are returned are uint8 ``[height, width, 3]``.
"""
