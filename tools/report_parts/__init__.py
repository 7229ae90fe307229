"""The sections of the matrix' report. See README."""
