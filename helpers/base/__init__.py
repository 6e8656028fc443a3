"""What every other room may use; the standard library alone."""
