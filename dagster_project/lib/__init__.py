"""What the definitions and the command line share: plain functions that need no manifest."""
