"""The checker: reads rows, logs, transcripts and call logs, and says of each promise whether it was kept."""
