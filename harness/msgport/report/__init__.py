"""Results on disk, and what people and programs read of them."""
