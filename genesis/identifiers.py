"""Identifiers of the world outside: legal entities (ISO 17442) and countries (ISO 3166-1)."""

import re

_LEI = re.compile("[0-9A-Z]{18}[0-9]{2}")

_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""

COUNTRIES = frozenset(_COUNTRIES.split())
"""Officially assigned alpha-2 codes of ISO 3166-1. Only looked up in, never iterated."""


def is_lei(text: str) -> bool:
    """Whether ``text`` is a legal entity identifier whose check digits match (ISO 17442-1 by ISO 7064 MOD 97-10)."""
    return _LEI.fullmatch(text) is not None and _as_number(text) % 97 == 1


def make_lei(first_eighteen: str) -> str:
    """The identifier of 20 characters that starts with the given 18, for test networks."""
    assert re.fullmatch("[0-9A-Z]{18}", first_eighteen)
    return f"{first_eighteen}{98 - _as_number(first_eighteen + '00') % 97:02}"


def _as_number(text: str) -> int:
    """Each letter stands for two digits: A is 10, Z is 35."""
    return int("".join(str(int(letter, 36)) for letter in text))
