"""The weekly report as a page, a text and an e-mail, and boards by e-mail."""
