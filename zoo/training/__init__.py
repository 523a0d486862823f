"""What happens between the first and the last step: loss, metrics, optimizer, callbacks, checkpoints."""
