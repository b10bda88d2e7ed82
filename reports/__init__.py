"""From the published marts to what people and other programs read."""
