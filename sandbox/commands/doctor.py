"""`sandbox doctor`: what this host's jail is made of."""

import asyncio


def doctor() -> int:
    """Show every layer of the jail, on or off, each tried on both sides; 0 if all is sound.

    sandbox doctor
    """
    from rich.console import Console
    from rich.table import Table

    from sandbox.doctor import examine

    findings = asyncio.run(examine())
    table = Table(title="layers of the jail, outermost last")
    for column in ("layer", "state", "alone it stops", "without it", "detail"):
        table.add_column(column)
    for found in findings:
        state = "on" if found.is_on else "MISSING" if found.is_mandatory else "off"
        stops = {None: "-", True: "yes", False: "NO"}[found.stops]
        needed = {None: "-", True: "reached", False: "not reached either"}[found.needed]
        detail = found.detail if found.is_on else f"{found.detail}; needs: {found.advice}"
        table.add_row(found.layer, state, stops, needed, detail)
    Console().print(table)
    is_jailed = all(f.is_on for f in findings if f.layer in ("namespaces", "root"))
    print(f"jail: {'native' if is_jailed else 'filter-only, which must be asked for by name'}")
    is_sound = all(found.is_sound for found in findings)
    print("now: sandbox run FILE --args '[3, 1, 2]'" if is_sound else "a layer does not hold")
    return 0 if is_sound else 1
