"""What to look at: numbers of the newest week that are not what the weeks before let expect."""
