"""When assets follow by themselves; sessions never do, since they cost money."""

import dagster as dg

# Tables over the whole grid follow whenever something upstream has changed; `eager` would wait for every cell.
WHEN_UPSTREAM_CHANGED = (
    dg.AutomationCondition.any_deps_updated() & ~dg.AutomationCondition.in_progress()
).with_label("when_upstream_changed")

WHEN_MISSING = dg.AutomationCondition.on_missing().with_label("when_missing")
