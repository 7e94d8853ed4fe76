"""Right answers to the exercises of chapter 03."""
