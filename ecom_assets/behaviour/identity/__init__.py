"""Who is who: links between users and devices, the rule that decides, and the visitors."""
