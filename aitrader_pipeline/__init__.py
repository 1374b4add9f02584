"""An arena on Dagster for one question: can this model trade?"""
