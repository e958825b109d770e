"""The error that bad input raises: command lines print it as one line and leave with status 2."""


class InputError(ValueError):
    """Something a user gave is wrong; the message holds the rule, the value and the place."""
