"""The one exception type that means "the person can fix this"."""


class UserError(ValueError):
    """A mistake in a command, a config or a file, told in one or two lines: what, where, and the way out.

    The command line prints its message without a traceback. Raise it for what a person can cause; use
    ``assert`` for what only a bug in this package can cause.
    """


def find_user_error(error: BaseException | None) -> UserError | None:
    """Return the UserError that another exception was made of, if any: the parser wraps what constructors raise."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__
    return error
