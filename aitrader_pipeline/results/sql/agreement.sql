FROM model_agreement
ORDER BY kappa DESC NULLS LAST, model_1, model_2
