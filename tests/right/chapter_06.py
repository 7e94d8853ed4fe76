"""Right answers to the exercises of chapter 06."""
