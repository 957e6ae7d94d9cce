"""Funnels: how many units (visitors or sessions) took a first step, and how many the next ones.

- `definition.py`, `steps.py`: what may be asked, and what goes together.
- `matching.py`: the conditions of steps as expressions over events.
- `levels.py`: how many steps each unit took. This is the definition of the metric.
- `chains.py`, `orders.py`: by which event it took each of them.
- `entries.py`: which attempts count, by when they began.
- `report.py`, `breakdown.py`: the numbers of an answer.
- `question.py`, `answer.py`, `text.py`: the ad-hoc question, as in every folder of a question.
- `daily.py`: the funnels of each day, as tables. `carts.py`, `left_carts.py`: abandoned carts.
- `kernel/`: the same numbers on DuckDB, faster.

What counts is changed in `levels.py` and `chains.py` first, then in `kernel/`: tests require that
all of them give equal numbers.
"""
