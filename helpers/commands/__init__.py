"""What `python -m helpers NAME` runs: one module a command.

Each has `add_arguments(parser)` and `run(arguments)`, and imports what is slow to import only when
it runs.
"""
