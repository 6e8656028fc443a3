"""Pictures: checked, put together, shown, kept as files, and read from strangers."""
