"""Rows, sampling, reports, targets, pictures: what every benchmark shares."""
