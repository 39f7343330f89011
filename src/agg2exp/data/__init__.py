"""Cases: layouts on disk, preprocessing, the data module, and phantoms."""
