CREATE OR REPLACE TEMP TABLE wanted_sessions AS
SELECT
    unnest(CAST($dates AS DATE[])) AS date,
    unnest(CAST($closes AS TIMESTAMPTZ[])) AS closes_at,
    unnest(range(len($dates))) AS number;
