"""Plans of instalments against published ones, to the cent.

Figures (no text) of Apache Fineract's end-to-end features, fineract-e2e-tests-runner/src/test/resources/features:
EMICalculation (C31..), LoanRepayment (RS04), Loan (pay-off), LoanBulletBalloon (BL01), LoanMonthEndDueDateStrategy
(UC5). Instalments alone: perryqh/mortgage-buddy, features/amoratize.feature. Where a published plan differs from ours,
``DIFFERENT`` has both and says why.
"""

from typing import Final

import pytest

from state.codec import Value
from tests.contracts.loan_office import Office, day

Row = tuple[tuple[int, int, int], int, int, int]
"""Day, principal, interest, principal left; amounts in cents."""

PLANS: Final[dict[str, tuple[dict[str, Value], int, tuple[int, int, int], tuple[Row, ...]]]] = {
    "C3154: annuity, 30/360, 12 %": (
        {"rate_ppm": 120_000, "day_count": "30/360"},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 2, 1), 1625, 100, 8375),
            ((2024, 3, 1), 1641, 84, 6734),
            ((2024, 4, 1), 1658, 67, 5076),
            ((2024, 5, 1), 1674, 51, 3402),
            ((2024, 6, 1), 1691, 34, 1711),
            ((2024, 7, 1), 1711, 17, 0),
        ),
    ),
    "C3155: annuity, 30/360, 9.4822 %": (
        {"rate_ppm": 94_822, "day_count": "30/360"},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 2, 1), 1634, 79, 8366),
            ((2024, 3, 1), 1647, 66, 6719),
            ((2024, 4, 1), 1660, 53, 5059),
            ((2024, 5, 1), 1673, 40, 3386),
            ((2024, 6, 1), 1686, 27, 1700),
            ((2024, 7, 1), 1700, 13, 0),
        ),
    ),
    "C3157: annuity, 30/360, every two months": (
        {"rate_ppm": 120_000, "day_count": "30/360", "instalments": 3, "period_months": 2},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 3, 1), 3268, 200, 6732),
            ((2024, 5, 1), 3333, 135, 3399),
            ((2024, 7, 1), 3399, 68, 0),
        ),
    ),
    "C3158: annuity, every two weeks": (
        {"rate_ppm": 94_822, "day_count": "ACT/360", "period_months": 0, "period_days": 14},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 1, 15), 1651, 37, 8349),
            ((2024, 1, 29), 1657, 31, 6692),
            ((2024, 2, 12), 1663, 25, 5029),
            ((2024, 2, 26), 1669, 19, 3360),
            ((2024, 3, 11), 1676, 12, 1684),
            ((2024, 3, 25), 1684, 6, 0),
        ),
    ),
    "C3159: annuity, ACT/365F, 12 %": (
        {"rate_ppm": 120_000, "day_count": "ACT/365F"},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 2, 1), 1623, 102, 8377),
            ((2024, 3, 1), 1645, 80, 6732),
            ((2024, 4, 1), 1656, 69, 5076),
            ((2024, 5, 1), 1675, 50, 3401),
            ((2024, 6, 1), 1690, 35, 1711),
            ((2024, 7, 1), 1711, 17, 0),
        ),
    ),
    "C3160: annuity, ACT/365F, 9.4822 %": (
        {"rate_ppm": 94_822, "day_count": "ACT/365F"},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 2, 1), 1632, 81, 8368),
            ((2024, 3, 1), 1650, 63, 6718),
            ((2024, 4, 1), 1659, 54, 5059),
            ((2024, 5, 1), 1674, 39, 3385),
            ((2024, 6, 1), 1686, 27, 1699),
            ((2024, 7, 1), 1699, 13, 0),
        ),
    ),
    "C3161: annuity, 30/360, 5 %, after the down payment": (
        {"rate_ppm": 50_000, "day_count": "30/360", "instalments": 5},
        75_00,
        (2024, 1, 1),
        (
            ((2024, 2, 1), 1488, 31, 6012),
            ((2024, 3, 1), 1494, 25, 4518),
            ((2024, 4, 1), 1500, 19, 3018),
            ((2024, 5, 1), 1506, 13, 1512),
            ((2024, 6, 1), 1512, 6, 0),
        ),
    ),
    "C3164: annuity, ACT/ACT, over the turn of the year": (
        {"rate_ppm": 106_500, "day_count": "ACT/ACT ISDA", "instalments": 5},
        331_77,
        (2023, 12, 12),
        (
            ((2024, 1, 12), 6514, 300, 26663),
            ((2024, 2, 12), 6573, 241, 20090),
            ((2024, 3, 12), 6644, 170, 13446),
            ((2024, 4, 12), 6693, 121, 6753),
            ((2024, 5, 12), 6753, 59, 0),
        ),
    ),
    "C3165: annuity, 30/360, 12.3 %": (
        {"rate_ppm": 123_000, "day_count": "30/360", "instalments": 5},
        75_00,
        (2024, 1, 1),
        (
            ((2024, 2, 1), 1470, 77, 6030),
            ((2024, 3, 1), 1485, 62, 4545),
            ((2024, 4, 1), 1500, 47, 3045),
            ((2024, 5, 1), 1516, 31, 1529),
            ((2024, 6, 1), 1529, 16, 0),
        ),
    ),
    "C3166: annuity, ACT/365F, every fifteen days": (
        {"rate_ppm": 94_822, "day_count": "ACT/365F", "period_months": 0, "period_days": 15},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 1, 16), 1651, 39, 8349),
            ((2024, 1, 31), 1657, 33, 6692),
            ((2024, 2, 15), 1664, 26, 5028),
            ((2024, 3, 1), 1670, 20, 3358),
            ((2024, 3, 16), 1677, 13, 1681),
            ((2024, 3, 31), 1681, 7, 0),
        ),
    ),
    "C3167: annuity, ACT/365F, 15.678 %": (
        {"rate_ppm": 156_780, "day_count": "ACT/365F"},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 2, 1), 1610, 133, 8390),
            ((2024, 3, 1), 1638, 105, 6752),
            ((2024, 4, 1), 1653, 90, 5099),
            ((2024, 5, 1), 1677, 66, 3422),
            ((2024, 6, 1), 1697, 46, 1725),
            ((2024, 7, 1), 1725, 22, 0),
        ),
    ),
    "Pay-off: annuity, 30/360, 7 %": (
        {"rate_ppm": 70_000, "day_count": "30/360"},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 2, 1), 1643, 58, 8357),
            ((2024, 3, 1), 1652, 49, 6705),
            ((2024, 4, 1), 1662, 39, 5043),
            ((2024, 5, 1), 1672, 29, 3371),
            ((2024, 6, 1), 1681, 20, 1690),
            ((2024, 7, 1), 1690, 10, 0),
        ),
    ),
    "UC5: annuity, ACT/ACT, from the 31st": (
        {"rate_ppm": 120_000, "day_count": "ACT/ACT ISDA", "instalments": 3},
        10_000_00,
        (2025, 1, 31),
        (
            ((2025, 2, 28), 330577, 9205, 669423),
            ((2025, 3, 31), 332959, 6823, 336464),
            ((2025, 4, 30), 336464, 3319, 0),
        ),
    ),
    "RS04: equal principal, 30/360": (
        {"kind": "equal_principal", "rate_ppm": 120_000, "day_count": "30/360", "instalments": 18},
        5_000_00,
        (2022, 11, 1),
        (
            ((2022, 12, 1), 27778, 5000, 472222),
            ((2023, 1, 1), 27778, 4722, 444444),
            ((2023, 2, 1), 27778, 4444, 416666),
            ((2023, 3, 1), 27778, 4167, 388888),
            ((2023, 4, 1), 27778, 3889, 361110),
            ((2023, 5, 1), 27778, 3611, 333332),
            ((2023, 6, 1), 27778, 3333, 305554),
            ((2023, 7, 1), 27778, 3056, 277776),
            ((2023, 8, 1), 27778, 2778, 249998),
            ((2023, 9, 1), 27778, 2500, 222220),
            ((2023, 10, 1), 27778, 2222, 194442),
            ((2023, 11, 1), 27778, 1944, 166664),
            ((2023, 12, 1), 27778, 1667, 138886),
            ((2024, 1, 1), 27778, 1389, 111108),
            ((2024, 2, 1), 27778, 1111, 83330),
            ((2024, 3, 1), 27778, 833, 55552),
            ((2024, 4, 1), 27778, 556, 27774),
            ((2024, 5, 1), 27774, 278, 0),
        ),
    ),
    "BL01: interest only, 30/360, 30 %": (
        {"kind": "interest_only", "rate_ppm": 300_000, "day_count": "30/360", "instalments": 8},
        100_00,
        (2024, 1, 1),
        (
            ((2024, 2, 1), 0, 250, 10000),
            ((2024, 3, 1), 0, 250, 10000),
            ((2024, 4, 1), 0, 250, 10000),
            ((2024, 5, 1), 0, 250, 10000),
            ((2024, 6, 1), 0, 250, 10000),
            ((2024, 7, 1), 0, 250, 10000),
            ((2024, 8, 1), 0, 250, 10000),
            ((2024, 9, 1), 10000, 250, 0),
        ),
    ),
}
"""What, terms, principal, first day, plan."""


def planned(office: Office, terms: dict[str, Value], principal: int, first: tuple[int, int, int]) -> list[list[int]]:
    found: list[list[int]] = office.ask("plan", office.offer(**terms), principal, day(*first))
    return found


@pytest.fixture(scope="module")
def office() -> Office:
    return Office.open()


@pytest.mark.parametrize("name", PLANS)
def test_a_published_plan(office: Office, name: str) -> None:
    terms, principal, first, rows = PLANS[name]
    wanted = [[day(*date), *amounts] for date, *amounts in rows]
    assert planned(office, terms, principal, first) == wanted


Parts = list[tuple[int, int]]

DIFFERENT: Final[dict[str, tuple[dict[str, Value], tuple[int, int, int], str, Parts, Parts]]] = {
    "C3152": (
        {"rate_ppm": 120_000, "day_count": "ACT/ACT ISDA"},
        (2023, 12, 12),
        "Fineract counts a day in the year it ends in, 19 + 12 days for 20 + 11: a cent of interest and of instalment",
        [(162375, 10181), (164042, 8514), (166151, 6405), (167398, 5158), (169211, 3345), (170823, 1736)],
        [(162375, 10182), (164043, 8514), (166152, 6405), (167400, 5157), (169212, 3345), (170818, 1736)],
    ),
    "C3153": (
        {"rate_ppm": 94_822, "day_count": "ACT/ACT ISDA"},
        (2023, 12, 12),
        "the same",
        [(163267, 8045), (164592, 6720), (166262, 5050), (167249, 4063), (168680, 2632), (169950, 1365)],
        [(163267, 8046), (164593, 6720), (166263, 5050), (167250, 4063), (168681, 2632), (169946, 1365)],
    ),
    "UC3": (
        {"rate_ppm": 120_000, "day_count": "30/360", "instalments": 3},
        (2025, 1, 31),
        "Fineract's 360/30 gives each month 30 days; by 30/360 from 31 January to 28 February are 28, to 31 March 33",
        [(330022, 10000), (333322, 6700), (336656, 3367)],
        [(330688, 9333), (332659, 7362), (336653, 3367)],
    ),
}
"""What, terms, first day, why, theirs and ours: (principal, interest) of 10,000.00."""


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_difference_is_the_one_named(office: Office, name: str) -> None:
    terms, first, why, theirs, ours = DIFFERENT[name]
    found = [(row[1], row[2]) for row in planned(office, terms, 10_000_00, first)]
    assert found == ours, why
    assert theirs != ours
    assert sum(part for part, _ in theirs) == sum(part for part, _ in ours) == 10_000_00


@pytest.mark.parametrize(
    ("principal", "rate_ppm", "instalment"), [(125_000_00, 35_000, 561_31), (550_000_00, 30_000, 2_318_82)]
)
def test_a_published_instalment_of_thirty_years(
    office: Office, principal: int, rate_ppm: int, instalment: int
) -> None:
    plan = planned(office, {"rate_ppm": rate_ppm, "instalments": 360}, principal, (2024, 1, 1))
    assert {row[1] + row[2] for row in plan[:-1]} == {instalment}
    assert (len(plan), plan[-1][3]) == (360, 0)


@pytest.mark.parametrize("kind", ["annuity", "equal_principal", "interest_only", "bullet"])
@pytest.mark.parametrize("day_count", ["ACT/360", "ACT/365F", "ACT/ACT ISDA", "30/360", "30E/360"])
def test_every_plan_closes_to_zero(office: Office, kind: str, day_count: str) -> None:
    cases = ((1, 99_999, 12), (999_983, 1, 37), (10**15, 300_000, 48), (700, 0, 600), (5, 0, 8))
    for principal, rate_ppm, count in cases:
        terms: dict[str, Value] = {"kind": kind, "day_count": day_count, "rate_ppm": rate_ppm, "instalments": count}
        plan = planned(office, terms, principal, (2024, 1, 31))
        left = principal
        for _, part, interest, after in plan:
            left -= part
            assert left == after >= 0
            assert part >= 0
            assert interest >= 0
        assert left == 0
        assert len(plan) <= count
