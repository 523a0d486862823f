"""The built-in augmentations: builders ``builder(spec, **options)`` of transforms of torchvision.transforms.v2."""
