"""Exercises of chapter 06: norm variants."""
