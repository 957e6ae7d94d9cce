"""Hours of the week: when events happen. CONTRIBUTING's question, in a folder as a subject's."""
