"""Whether the draft of a mapping reads files in layouts by chance, to the cent."""
