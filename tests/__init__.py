"""The tests: a package, or another `tests` that some library installs would be taken for it."""
