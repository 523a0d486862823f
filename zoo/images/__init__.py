"""Image files become uint8 pixels, and pixels become what a network sees."""
