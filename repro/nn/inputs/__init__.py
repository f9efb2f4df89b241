"""Examples as the batches that a network sees: decoded, packed, augmented."""
