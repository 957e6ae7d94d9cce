"""What every subject is made with: contracts, days, assets, checks, periods."""
