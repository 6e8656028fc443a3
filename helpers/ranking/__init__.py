"""How well pictures fit their prompts, and models side by side."""
