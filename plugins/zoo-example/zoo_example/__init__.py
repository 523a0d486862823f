"""An architecture, a data set and a command for zoo."""
