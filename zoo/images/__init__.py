"""Image files become uint8 pixels, and pixels become the input of a network."""
