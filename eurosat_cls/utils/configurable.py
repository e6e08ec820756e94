"""What marks a class of this package that configurations may name and build."""


class Configurable:
    """A part that a configuration names, of none of the kinds that torch and Lightning have base classes for."""
