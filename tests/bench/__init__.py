"""`make bench`: the real processes under load, each figure beside what the same run gets without Holdfast."""
