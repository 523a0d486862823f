"""A registered data set becomes uint8 batches: splits, sampling, augmentation, loading."""
