"""What others have built, under our slots. Nothing here is imported before a config names it."""
