"""The feature memory: paired slots that remember matched pairs, how they are read, and what they do to a score."""
