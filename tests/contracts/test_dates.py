"""Day counts against ISDA's own examples and QuantLib; business days against QuantLib's TARGET; dates against Python's.

Sources: ISDA, "EMU and Market Conventions: Recent Developments" (1998) and "The Actual/Actual Day Count Fraction"
(1999), whose five example instruments give eight periods; ISDA's worked 30/360 examples for the 2006 Definitions
(30-360-2006ISDADefs.xls).
"""

import random
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
import QuantLib

from contracts.kernel import dates
from contracts.language.faults import ContractError

EPOCH = date(1970, 1, 1)
PAIRS = 10_000

ACT_ACT_EXAMPLES = (
    # what, first day, last day, days in ordinary years, days in leap years
    ("semi-annual", (2003, 11, 1), (2004, 5, 1), 61, 121),
    ("short first period, first", (1999, 2, 1), (1999, 7, 1), 150, 0),
    ("short first period, second", (1999, 7, 1), (2000, 7, 1), 184, 182),
    ("long first period, first", (2002, 8, 15), (2003, 7, 15), 334, 0),
    ("long first period, second", (2003, 7, 15), (2004, 1, 15), 170, 14),
    ("short final period, last but one", (1999, 7, 30), (2000, 1, 30), 155, 29),
    ("short final period, last", (2000, 1, 30), (2000, 6, 30), 0, 152),
    ("over four years", (2000, 2, 29), (2004, 2, 29), 1095, 366),
)

WORKED = (
    # first day, last day, days by ACT/360, by 30E/360, by 30/360 (bond basis)
    ((2007, 1, 15), (2007, 1, 30), 15, 15, 15),
    ((2007, 1, 15), (2007, 2, 15), 31, 30, 30),
    ((2007, 1, 15), (2007, 7, 15), 181, 180, 180),
    ((2007, 9, 30), (2008, 3, 31), 183, 180, 180),
    ((2007, 9, 30), (2007, 10, 31), 31, 30, 30),
    ((2007, 9, 30), (2008, 9, 30), 366, 360, 360),
    ((2007, 1, 15), (2007, 1, 31), 16, 15, 16),
    ((2007, 1, 31), (2007, 2, 28), 28, 28, 28),
    ((2007, 2, 28), (2007, 3, 31), 31, 32, 33),
    ((2006, 8, 31), (2007, 2, 28), 181, 178, 178),
    ((2007, 2, 28), (2007, 8, 31), 184, 182, 183),
    ((2007, 2, 14), (2007, 2, 28), 14, 14, 14),
    ((2007, 2, 26), (2008, 2, 29), 368, 363, 363),
    ((2008, 2, 29), (2009, 2, 28), 365, 359, 359),
    ((2008, 2, 29), (2008, 3, 30), 30, 31, 31),
    ((2008, 2, 29), (2008, 3, 31), 31, 31, 32),
    ((2007, 2, 28), (2007, 3, 5), 5, 7, 7),
    ((2007, 10, 31), (2007, 11, 28), 28, 28, 28),
    ((2007, 8, 31), (2008, 2, 29), 182, 179, 179),
    ((2008, 2, 29), (2008, 8, 31), 184, 181, 182),
    ((2008, 8, 31), (2009, 2, 28), 181, 178, 178),
    ((2009, 2, 28), (2009, 8, 31), 184, 182, 183),
)

THEIRS = {
    "ACT/360": QuantLib.Actual360(),
    "ACT/365F": QuantLib.Actual365Fixed(),
    "ACT/ACT ISDA": QuantLib.ActualActual(QuantLib.ActualActual.ISDA),
    "30/360": QuantLib.Thirty360(QuantLib.Thirty360.BondBasis),
    "30E/360": QuantLib.Thirty360(QuantLib.Thirty360.EurobondBasis),
}


def day(parts: tuple[int, int, int]) -> int:
    return dates.day_of(*parts)


def theirs(number: int) -> "QuantLib.Date":
    year, month, day_of_month = dates.date_of(number)
    return QuantLib.Date(day_of_month, month, year)


def test_dates_are_pythons() -> None:
    for number in [*range(-800, 50_000), *range(dates.DAY_MIN, dates.DAY_MAX, 997), dates.DAY_MIN, dates.DAY_MAX]:
        wanted = EPOCH + timedelta(days=number)
        assert dates.date_of(number) == (wanted.year, wanted.month, wanted.day)
        assert dates.day_of(wanted.year, wanted.month, wanted.day) == number


@pytest.mark.parametrize(("what", "first", "last", "ordinary", "leap"), ACT_ACT_EXAMPLES)
def test_the_memos_actual_actual_examples(
    what: str, first: tuple[int, int, int], last: tuple[int, int, int], ordinary: int, leap: int
) -> None:
    found = Fraction(*dates.year_fraction("ACT/ACT ISDA", day(first), day(last)))
    assert found == Fraction(ordinary, 365) + Fraction(leap, 366), what


@pytest.mark.parametrize(("first", "last", "actual", "eurobond", "bond"), WORKED)
def test_the_worked_thirty_day_examples(
    first: tuple[int, int, int], last: tuple[int, int, int], actual: int, eurobond: int, bond: int
) -> None:
    found = [dates.year_fraction(name, day(first), day(last)) for name in ("ACT/360", "30E/360", "30/360")]
    assert found == [(actual, 360), (eurobond, 360), (bond, 360)]


def test_a_day_belongs_to_the_year_it_lies_in() -> None:
    """Apache Fineract (EMICalculation.feature, C3152) counts a day in the year it ends in: 101.81 for 101.82."""
    first, last = day((2023, 12, 12)), day((2024, 1, 12))
    exact = Fraction(*dates.year_fraction("ACT/ACT ISDA", first, last))
    assert exact == Fraction(20, 365) + Fraction(11, 366)
    cents_a_year = 1_000_000 * Fraction(12, 100)
    assert round(cents_a_year * (Fraction(19, 365) + Fraction(12, 366))) == 10_181
    assert round(cents_a_year * exact) == 10_182


@pytest.mark.parametrize("convention", dates.CONVENTIONS)
def test_day_counts_are_quantlibs(convention: str) -> None:
    source = random.Random(convention)
    earliest, latest = day((1901, 1, 1)), day((2198, 12, 31))  # what QuantLib knows
    for number in range(PAIRS):
        first = source.randint(earliest, latest)
        last = source.randint(earliest, latest) if number % 2 else min(first + source.randint(0, 800), latest)
        first, last = min(first, last), max(first, last)
        if number % 5 == 0:  # ends of months, where the conventions part
            first = dates.add_months(first, 0, 31)
            last = max(first, dates.add_months(last, 0, 31))
        numerator, denominator = dates.year_fraction(convention, first, last)
        wanted = THEIRS[convention].yearFraction(theirs(first), theirs(last))
        assert abs(numerator / denominator - wanted) < 1e-11 * max(1, wanted), (theirs(first), theirs(last))
        if denominator == 360:
            assert numerator == THEIRS[convention].dayCount(theirs(first), theirs(last))


@pytest.mark.parametrize(("calendar", "of"), [("weekends", QuantLib.WeekendsOnly()), ("TARGET", QuantLib.TARGET())])
def test_business_days_are_quantlibs(calendar: str, of: "QuantLib.Calendar") -> None:
    rolls = {
        "following": QuantLib.Following,
        "modified_following": QuantLib.ModifiedFollowing,
        "preceding": QuantLib.Preceding,
    }
    for number in range(day((1998, 1, 1)), day((2199, 12, 20))):
        assert dates.is_business_day(calendar, number) == of.isBusinessDay(theirs(number))
        if number % 11 == 0 or dates.date_of(number)[2] > 28:
            for roll, their_roll in rolls.items():
                assert theirs(dates.business_day(calendar, number, roll)) == of.adjust(theirs(number), their_roll)


def test_months_keep_their_anchor() -> None:
    start = day((2024, 1, 31))
    walked = [dates.date_of(dates.add_months(start, number, 31)) for number in range(1, 14)]
    assert walked[:4] == [(2024, 2, 29), (2024, 3, 31), (2024, 4, 30), (2024, 5, 31)]
    assert walked[-1] == (2025, 2, 28)
    assert dates.date_of(dates.add_months(start, -2, 30)) == (2023, 11, 30)
    assert dates.add_months(day((2024, 2, 29)), 12, 29) == day((2025, 2, 28))
    assert dates.add_months(day((2025, 2, 28)), 36, 29) == day((2028, 2, 29))


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda: dates.day_of(2023, 2, 29), "bad_date"),
        (lambda: dates.day_of(0, 1, 1), "bad_date"),
        (lambda: dates.day_of(2023, 13, 1), "bad_date"),
        (lambda: dates.date_of(dates.DAY_MAX + 1), "bad_date"),
        (lambda: dates.date_of(b"\x01" * 33), "bad_date"),  # type: ignore[arg-type]
        (lambda: dates.add_months(0, 1, 0), "bad_date"),
        (lambda: dates.add_months(0, 12 * 9000, 1), "bad_date"),
        (lambda: dates.add_months(dates.DAY_MAX, 1, 1), "bad_date"),
        (lambda: dates.year_fraction("ACT/360", 2, 1), "bad_date"),
        (lambda: dates.year_fraction("ACT/364", 1, 2), "bad_convention"),
        (lambda: dates.business_day("moon", 1, "following"), "bad_calendar"),
        (lambda: dates.business_day("TARGET", 1, "nearest"), "bad_calendar"),
        (lambda: dates.business_day("weekends", dates.DAY_MIN - 1, "preceding"), "bad_date"),
    ],
)
def test_what_is_no_date_is_refused(ask: "object", code: str) -> None:
    with pytest.raises(ContractError) as refused:
        ask()  # type: ignore[operator]
    assert refused.value.code == code


def test_periods_that_meet_add_up() -> None:
    """What makes interest by instalments the interest of the whole, for the conventions that count days."""
    source = random.Random(1)
    for _ in range(2_000):
        days = sorted(source.randint(0, 100_000) for _ in range(3))
        for convention in dates.CONVENTIONS[:3]:
            parts = [Fraction(*dates.year_fraction(convention, *pair)) for pair in pairwise(days)]
            assert sum(parts) == Fraction(*dates.year_fraction(convention, days[0], days[2]))
