"""Exercises of chapter 01: covariate shift."""
