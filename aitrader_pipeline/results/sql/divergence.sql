FROM decision_divergence
WHERE
    model_1 = $model_1
    AND model_2 = $model_2
    AND ($start IS NULL OR date >= CAST($start AS DATE))
    AND ($end IS NULL OR date <= CAST($end AS DATE))
ORDER BY date DESC, symbol
