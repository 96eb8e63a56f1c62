"""The command line: ``main`` finds the command, one file of ``commands/`` each, and tells bad input in one line.

JSON goes to stdout, progress and notes to stderr; exit status 0 done, 1 a check did not hold, 2 bad input.
"""
