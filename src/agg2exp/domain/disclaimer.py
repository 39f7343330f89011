"""What every picture, page and summary says of its numbers."""

DISCLAIMER = "Importance is association with the model's score: not anatomy, not causation, not for diagnosis."
