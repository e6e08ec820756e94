"""Pictures: one per file, from arrays to an image or a matplotlib figure. Nothing here knows Lightning."""
