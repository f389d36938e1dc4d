"""How a chain begins: the genesis document, and the ceremony in which members' public data becomes one."""
