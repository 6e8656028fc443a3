"""The class's own face service."""
