"""Images as a model's input: decoded, resized, cropped and normalised as the reference libraries do it."""
