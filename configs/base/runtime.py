"""What every run shares."""

seed = 0
