"""Many trainings that belong together: a search for good settings, a list of overlays, or a sweep of seeds."""
