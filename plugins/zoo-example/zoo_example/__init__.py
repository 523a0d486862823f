"""Names for zoo."""
