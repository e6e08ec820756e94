"""What marks a class of this package that configurations may name and build."""


class Configurable:
    """A part of this package that configurations and checkpoints may name, where a setting has its type."""
