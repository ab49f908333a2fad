"""Processes: models that erase and regenerate. Torch lives here and in `probe`, nowhere above."""
