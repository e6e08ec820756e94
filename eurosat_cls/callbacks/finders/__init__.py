"""Find settings by trying them: training steps on the very model and data of a configuration, which are undone."""
