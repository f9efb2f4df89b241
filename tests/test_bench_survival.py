"""A few kills of what bench/survival.py does fifty times."""

from bench import survival


def test_a_few_kills_change_nothing() -> None:
    told, same = survival.survival(kills=6, seed=1)
    assert sum(told.values()) >= 4 and told["fetching"] + told["table"] >= 1, told  # some end before they are killed
    assert len(same) >= 3 and all(same), (told, same)
