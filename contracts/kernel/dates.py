"""Dates, day counts and business days, on integers: what interest and schedules are worked out from.

A day is the number of days since 1970-01-01 in the proleptic Gregorian calendar, years 1 to 9999. A year fraction is
an exact (numerator, denominator), not reduced: whoever multiplies it rounds once, at the end. A period runs from its
first day, included, to its last, excluded.

Conventions (2006 ISDA Definitions, section 4.16):

    ACT/ACT ISDA   (b)   days in leap years / 366 + days in other years / 365; a day belongs to the year it lies in
    ACT/365F       (d)   days / 365
    ACT/360        (e)   days / 360
    30/360         (f)   bond basis: a first day of 31 counts as 30, and if the first is 30, so does a last day of 31
    30E/360        (g)   eurobond basis: a first or last day of 31 counts as 30

Calendars: ``weekends`` (Saturday and Sunday), ``TARGET`` (the Eurosystem's closing days by the ECB's rule for 2002 and
after, the years before as announced). Rolls (section 4.12): following, modified_following, preceding.
"""

from typing import Final

from contracts.kernel.codes import refuse

YEAR_MAX: Final = 9999
DAYS_BEFORE_EPOCH: Final = 719_162
"""Days from 0001-01-01 to 1970-01-01."""

DAY_MIN: Final = -DAYS_BEFORE_EPOCH
DAY_MAX: Final = 2_932_896
"""9999-12-31."""

DAYS_400_YEARS: Final = 146_097
DAYS_100_YEARS: Final = 36_524
DAYS_4_YEARS: Final = 1_461

DAYS_BEFORE_MONTH: Final = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
DAYS_OF_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

MONTHS_MAX: Final = 12 * YEAR_MAX
"""Months that one step goes, at most."""

CONVENTIONS: Final = ("ACT/360", "ACT/365F", "ACT/ACT ISDA", "30/360", "30E/360")
CALENDARS: Final = ("weekends", "TARGET")
ROLLS: Final = ("following", "modified_following", "preceding")

TARGET_CLOSED: Final = ((1, 1), (5, 1), (12, 25), (12, 26))
"""TARGET's closing days that have a date, beside Good Friday and Easter Monday (ECB, 14 December 2000)."""

TARGET_FIRST_YEAR: Final = 2000
"""Before, TARGET closed on New Year's Day and Christmas Day alone."""

TARGET_YEAR_ENDS: Final = (1998, 1999, 2001)
"""Years whose last day was a closing day, for the change to the euro."""


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_of_month(year: int, month: int) -> int:
    return 29 if month == 2 and is_leap(year) else DAYS_OF_MONTH[month - 1]


def day_of(year: int, month: int, day: int) -> int:
    """The day's number. :raises ContractError: bad_date."""
    for part in (year, month, day):
        if type(part) is not int:
            refuse("bad_date")
    if not 1 <= year <= YEAR_MAX or not 1 <= month <= 12 or not 1 <= day <= days_of_month(year, month):
        refuse("bad_date")
    return _first_of_year(year) + _day_of_year(year, month, day)


def date_of(day: int) -> tuple[int, int, int]:
    """Year, month and day of the month. :raises ContractError: bad_date."""
    _check(day)
    left = day + DAYS_BEFORE_EPOCH
    cycles, left = divmod(left, DAYS_400_YEARS)
    centuries = min(left // DAYS_100_YEARS, 3)
    left -= centuries * DAYS_100_YEARS
    fours, left = divmod(left, DAYS_4_YEARS)
    years = min(left // 365, 3)
    left -= years * 365
    year = 400 * cycles + 100 * centuries + 4 * fours + years + 1
    month = 1
    while left >= (length := days_of_month(year, month)):
        left -= length
        month += 1
    return year, month, left + 1


def add_months(day: int, months: int, anchor: int) -> int:
    """The day ``months`` later (or earlier) whose day of the month is ``anchor``, or the month's last if it has none.

    The anchor keeps a schedule of the 31st on month ends after it has passed through February.

    :raises ContractError: bad_date.
    """
    if type(months) is not int or type(anchor) is not int or abs(months) > MONTHS_MAX or not 1 <= anchor <= 31:
        refuse("bad_date")
    year, month, _ = date_of(day)
    year, month = divmod(12 * year + month - 1 + months, 12)
    if not 1 <= year <= YEAR_MAX:
        refuse("bad_date")
    return day_of(year, month + 1, min(anchor, days_of_month(year, month + 1)))


def year_fraction(convention: str, start: int, end: int) -> tuple[int, int]:
    """What part of a year the period is: numerator and denominator. :raises ContractError: bad_date, bad_convention."""
    _check(start)
    _check(end)
    if end < start:
        refuse("bad_date", "a period ends at its first day or after")
    match convention:
        case "ACT/360":
            return end - start, 360
        case "ACT/365F":
            return end - start, 365
        case "ACT/ACT ISDA":
            in_leap_years = _leap_days_before(end) - _leap_days_before(start)
            return in_leap_years * 365 + (end - start - in_leap_years) * 366, 365 * 366
        case "30/360" | "30E/360":
            return _thirty_days(convention, start, end), 360
    refuse("bad_convention")


def business_day(calendar: str, day: int, roll: str) -> int:
    """The day, or, when the calendar is closed on it, the business day that ``roll`` names.

    :raises ContractError: bad_date, bad_calendar.
    """
    _check(day)
    if calendar not in CALENDARS or roll not in ROLLS:
        refuse("bad_calendar")
    if roll == "preceding":
        return _open_day(calendar, day, -1)
    found = _open_day(calendar, day, 1)
    if roll == "modified_following" and date_of(found)[:2] != date_of(day)[:2]:
        return _open_day(calendar, day, -1)
    return found


def is_business_day(calendar: str, day: int) -> bool:
    """Whether the calendar, one of CALENDARS, is open on that day."""
    if (day + 3) % 7 >= 5:  # 1970-01-01 was a Thursday; Monday counts as 0
        return False
    return calendar != "TARGET" or not _is_target_closed(day)


def easter_sunday(year: int) -> int:
    """The day's number, by the Gregorian computus (Meeus, Astronomical Algorithms, chapter 8)."""
    golden = year % 19
    century, year_of_century = divmod(year, 100)
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (year_of_century // 4) - epact - year_of_century % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return day_of(year, month, day + 1)


def _check(day: int) -> None:
    if type(day) is not int or not DAY_MIN <= day <= DAY_MAX:
        refuse("bad_date")


def _first_of_year(year: int) -> int:
    before = year - 1
    return 365 * before + before // 4 - before // 100 + before // 400 - DAYS_BEFORE_EPOCH


def _day_of_year(year: int, month: int, day: int) -> int:
    """Days of the year before that one."""
    return DAYS_BEFORE_MONTH[month - 1] + (month > 2 and is_leap(year)) + day - 1


def _leap_days_before(day: int) -> int:
    """Days from 0001-01-01 to before ``day`` that lie in leap years."""
    year = date_of(day)[0]
    before = year - 1
    whole = 366 * (before // 4 - before // 100 + before // 400)
    return whole + (day - _first_of_year(year) if is_leap(year) else 0)


def _thirty_days(convention: str, start: int, end: int) -> int:
    first_year, first_month, first_day = date_of(start)
    last_year, last_month, last_day = date_of(end)
    first_day = min(first_day, 30)
    if convention == "30E/360" or first_day == 30:
        last_day = min(last_day, 30)
    return 360 * (last_year - first_year) + 30 * (last_month - first_month) + last_day - first_day


def _open_day(calendar: str, day: int, step: int) -> int:
    """The first business day from ``day`` on, forwards or backwards."""
    while not is_business_day(calendar, day):
        day += step
        _check(day)
    return day


def _is_target_closed(day: int) -> bool:
    year, month, day_of_month = date_of(day)
    if year < TARGET_FIRST_YEAR:
        closed = (month, day_of_month) in ((1, 1), (12, 25))
    else:
        closed = (month, day_of_month) in TARGET_CLOSED or day - easter_sunday(year) in (-2, 1)
    return closed or ((month, day_of_month) == (12, 31) and year in TARGET_YEAR_ENDS)
