"""Types that travel, named key streams, fixed-point loops, and array helpers that all rooms share."""
