"""One file per command: ``add_arguments(parser)`` says what it takes, ``run(args)`` does it and returns the exit status.

A command is known once ``cli/main.py`` lists it. It is imported only when it is called.
"""
