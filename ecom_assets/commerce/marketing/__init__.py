"""What advertising costs, by day, platform, account and campaign."""
