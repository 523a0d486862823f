"""A network with its preprocessing: layers, freezing, pretrained weights, checkpoints, prediction."""
