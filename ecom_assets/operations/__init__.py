"""Operations: what people ask the next run to do, and what runs note of their checks and tables."""
