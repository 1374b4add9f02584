"""When assets follow by themselves; sessions never do, since they cost money."""

import dagster as dg

# Tables over the whole grid follow whenever something upstream has changed; `eager` would wait for every cell.
WHEN_UPSTREAM_CHANGED = (
    dg.AutomationCondition.any_deps_updated() & ~dg.AutomationCondition.in_progress()
).with_label("when_upstream_changed")

# `on_missing` would pass over what was missing before it was first looked at. One that failed waits for a person.
WHEN_MISSING = (
    dg.AutomationCondition.missing()
    & ~dg.AutomationCondition.in_progress()
    & ~dg.AutomationCondition.execution_failed()
).with_label("when_missing")
