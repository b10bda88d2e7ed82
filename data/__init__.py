"""The sample landing zone and the generator that writes it."""
