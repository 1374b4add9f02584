DELETE FROM jobs USING told_jobs AS t WHERE jobs.job_id = t.job_id
