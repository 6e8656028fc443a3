"""What authors of the course run; nothing here is needed to use it."""
